//! `doorward gpio`: what is wired to the pins, watched and tried out.

mod guard;
mod test;
mod watch;

use super::{Context, Outcome, print_line};

/// Watch the wired inputs, or try out the wiring piece by piece.
///
/// For the installer; `docs/gpio.md` tells what is wired where. The running service holds its
/// pins for itself: stop it first (`sudo systemctl stop doorward`).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Watch(watch::Args),
    Test(test::Args),
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.verb {
            Verb::Watch(args) => args.run(context),
            Verb::Test(args) => args.run(context),
        }
    }
}
