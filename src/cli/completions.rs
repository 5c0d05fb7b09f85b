//! `doorward completions`: for the shell.

use clap::CommandFactory as _;

use super::{Cli, Context, Outcome};

/// Print completions for a shell.
///
/// For example: doorward completions bash > /etc/bash_completion.d/doorward
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell.
    shell: clap_complete::Shell,
}

impl Args {
    pub(super) fn run(self, _: &Context) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "doorward", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)?;
        Ok(Outcome::Done)
    }
}
