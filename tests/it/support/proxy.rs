//! A TCP proxy that cuts, refuses and stalls on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Control {
    refuse: AtomicBool,
    stall: AtomicBool,
    closed: AtomicBool,
    /// Bytes until the next cut; negative: none planned.
    until_cut: AtomicI64,
    cuts: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

/// A running proxy; it closes everything when dropped.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    control: Arc<Control>,
}

impl Proxy {
    /// A proxy in front of `target` on this machine.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let control = Arc::new(Control::default());
        control.until_cut.store(-1, Ordering::SeqCst);
        std::thread::spawn({
            let control = Arc::clone(&control);
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if control.closed.load(Ordering::SeqCst) {
                        return;
                    }
                    if !control.refuse.load(Ordering::SeqCst) {
                        connect(&control, client, target);
                    }
                }
            }
        });
        Self { port, control }
    }

    /// Ends every connection now, without a word.
    pub fn cut(&self) {
        if cut(&self.control) {
            self.control.cuts.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Ends every connection after that many more bytes, wherever in a packet that is.
    pub fn cut_after(&self, bytes: u32) {
        self.control.until_cut.store(bytes.into(), Ordering::SeqCst);
    }

    /// Takes back [`Proxy::cut_after`].
    pub fn cut_never(&self) {
        self.control.until_cut.store(-1, Ordering::SeqCst);
    }

    /// How often it cut.
    pub fn cuts(&self) -> u64 {
        self.control.cuts.load(Ordering::SeqCst)
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuse: bool) {
        self.control.refuse.store(refuse, Ordering::SeqCst);
    }

    /// Whether bytes are held back.
    pub fn stall(&self, stall: bool) {
        self.control.stall.store(stall, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.closed.store(true, Ordering::SeqCst);
        cut(&self.control);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Whether there was anything to cut.
fn cut(control: &Control) -> bool {
    control.until_cut.store(-1, Ordering::SeqCst);
    let streams = std::mem::take(&mut *control.streams.lock().unwrap());
    streams
        .iter()
        .filter(|stream| stream.shutdown(Shutdown::Both).is_ok())
        .count()
        > 0
}

fn connect(control: &Arc<Control>, client: TcpStream, target: u16) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
        return;
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
        control
            .streams
            .lock()
            .unwrap()
            .push(stream.try_clone().unwrap());
    }
    let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    for (from, to) in [(client, server), (server2, client2)] {
        let control = Arc::clone(control);
        std::thread::spawn(move || copy(&control, from, to));
    }
}

fn copy(control: &Control, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        while control.stall.load(Ordering::SeqCst) && !control.closed.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let length = i64::try_from(read).unwrap();
        let before = control.until_cut.load(Ordering::SeqCst);
        if before >= 0 {
            let left = control.until_cut.fetch_sub(length, Ordering::SeqCst) - length;
            if left < 0 {
                let pass = usize::try_from((left + length).max(0)).unwrap();
                let _ = to.write_all(&buffer[..pass]);
                control.cuts.fetch_add(1, Ordering::SeqCst);
                cut(control);
                break;
            }
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
