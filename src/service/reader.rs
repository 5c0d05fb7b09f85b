//! The reader's thread: what the guard and vision have to know of the store, read by somebody who may
//! wait for it.
//!
//! Four times a second, and whenever it is asked, it looks whether anything was changed, by whichever
//! process, and sends what the guard goes by as [`Facts`], and what vision searches as
//! [`GalleryNews`]. What could not be read is not sent: the guard knows how old its facts are. Never
//! writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use uuid::Uuid;

use super::guard::Message;
use crate::beat::Beat;
use crate::clock::Clock;
use crate::config::Config;
use crate::gallery::{GalleryChange, GalleryPerson};
use crate::guard::{Facts, Input, Undelivered};
use crate::store::{Site, Store, StoreError};

/// How often it looks: a change by the command line counts within a second.
const ROUND: Duration = Duration::from_millis(250);

/// What the reader is asked for.
#[derive(Debug)]
pub enum Ask {
    /// To look at once.
    Now,
    /// What a message was that the broker refused, so that the guard can be told.
    Refused {
        /// Number of its outbox row.
        seq: i64,
        /// The event it carried.
        event: Option<Uuid>,
        /// Where to.
        topic: String,
        /// Why.
        reason: String,
    },
}

/// What is new in the gallery.
#[derive(Debug)]
pub enum GalleryNews {
    /// All of it.
    Whole(Vec<GalleryPerson>),
    /// Who changed.
    Changes(Vec<GalleryChange>),
}

/// What the thread works with.
pub(super) struct Reader {
    store: Store,
    site: Option<Site>,
    interlock: Vec<String>,
    door: String,
    /// Which templates vision can use: their model and their length.
    model: (String, usize),
    clock: Arc<dyn Clock>,
    guard: Sender<Message>,
    gallery: Sender<GalleryNews>,
    facts: Facts,
    gallery_revision: Option<i64>,
    failing: bool,
}

impl Reader {
    /// A reader with connections of its own.
    ///
    /// # Errors
    /// When the store or the site's file cannot be opened.
    pub(super) fn new(
        config: &Config,
        model: (String, usize),
        clock: &Arc<dyn Clock>,
        guard: &Sender<Message>,
        gallery: Sender<GalleryNews>,
    ) -> Result<Self, StoreError> {
        let site = match &config.access.site_file {
            Some(path) => Some(Site::open(path, &config.door.name)?),
            None => None,
        };
        Ok(Self {
            store: Store::open(&config.store.path, None)?,
            site,
            interlock: config.access.interlock.clone(),
            door: config.door.name.clone(),
            model,
            clock: Arc::clone(clock),
            guard: guard.clone(),
            gallery,
            facts: Facts::default(),
            gallery_revision: None,
            failing: false,
        })
    }

    /// Looks until nobody can ask any more.
    ///
    /// # Errors
    /// When only a new start can repair the store.
    pub(super) fn run(mut self, asked: &Receiver<Ask>, busy: &Beat) -> Result<(), StoreError> {
        loop {
            match asked.recv_timeout(ROUND) {
                Ok(Ask::Now) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Ask::Refused {
                    seq,
                    event,
                    topic,
                    reason,
                }) => {
                    self.refused(seq, event, topic, reason);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            busy.mark(self.clock.tick());
            let looked = self.look();
            busy.rest();
            match looked {
                Ok(()) => self.failing = false,
                Err(error) if error.needs_restart() => return Err(error),
                Err(error) if self.failing => tracing::debug!(%error, "the store: still"),
                Err(error) => {
                    self.failing = true;
                    tracing::warn!(%error, "the store cannot be read; trying again");
                }
            }
        }
    }

    /// Looks once, and sends what there is.
    ///
    /// # Errors
    /// When something cannot be read; then nothing of it is sent.
    /// What the guard and vision begin with.
    ///
    /// # Errors
    /// When something of it cannot be read.
    pub(super) fn begin(&mut self) -> Result<Facts, StoreError> {
        if let Some(news) = self.gallery()? {
            let _ = self.gallery.send(news);
        }
        self.read()
    }

    fn look(&mut self) -> Result<(), StoreError> {
        // Also the quickest to notice that the file is gone: nothing may be written for hours.
        self.store.ensure_in_place()?;
        let facts = self.read()?;
        // Both only go away when the service ends.
        let _ = self.guard.send(Message::Facts(facts));
        if let Some(news) = self.gallery()? {
            let _ = self.gallery.send(news);
        }
        Ok(())
    }

    /// What the guard goes by; what has not changed is not read again.
    fn read(&mut self) -> Result<Facts, StoreError> {
        let at = self.clock.tick();
        let presences = self.site.as_ref().map(Site::presences).transpose()?;
        let interlocked = match &self.site {
            Some(site) if !self.interlock.is_empty() => site.others_engaged(&self.interlock)?,
            _ => false,
        };
        let changed = self.store.facts(&self.door, &self.facts)?;
        let facts = changed.unwrap_or_else(|| self.facts.clone());
        self.facts = Facts {
            read_at: Some(at),
            presences: presences.map(Arc::new),
            interlocked,
            ..facts
        };
        Ok(self.facts.clone())
    }

    fn gallery(&mut self) -> Result<Option<GalleryNews>, StoreError> {
        let current = self.store.gallery_revision()?;
        let (model, dimensions) = (&self.model.0, self.model.1);
        let news = match self.gallery_revision {
            Some(known) if known == current => return Ok(None),
            // A database that was replaced by an older one begins again.
            Some(known) if known < current => {
                GalleryNews::Changes(self.store.gallery_changes(known, model, dimensions)?)
            }
            _ => GalleryNews::Whole(self.store.gallery(model, dimensions)?),
        };
        self.gallery_revision = Some(current);
        Ok(Some(news))
    }

    fn refused(&self, seq: i64, event: Option<Uuid>, topic: String, reason: String) {
        match self.store.outbox_row_about(seq) {
            Ok(Some((class, kind))) => {
                let undelivered = Undelivered {
                    event,
                    kind,
                    class,
                    topic,
                    reason,
                };
                let input = Input::Undelivered(undelivered);
                let _ = self.guard.send(Message::Input(input));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "it cannot be told what was refused"),
        }
    }
}
