//! `doorward operators`: who may send commands.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use doorward::clock::{Timestamp, rfc3339_millis};
use doorward::command::{Operator, is_name};
use doorward::event::Role;
use doorward::keys::{self, PublicKey, SigningKey, file};
use serde_json::json;

use super::{Context, Outcome, print_line};

/// List, add and remove those who may send commands.
///
/// A command is signed with its operator's private key; the door knows only the public one. Roles: view
/// (snapshot, locate), operate (also unlock, lock, acknowledge), admin (also mode, reload). A running
/// service follows at once; every change is an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward operators add ada --role operate --key ada.pub
  doorward operators add ada --role operate --key ~ada/.ssh/id_ed25519.pub
  doorward operators add ada --role operate --generate .
  doorward operators list
  doorward operators remove ada

With --generate the private key is written to DIR/NAME.key, readable by its owner only. Hand it over
on a safe way and delete it here: the door does not need it. Better, the operator makes their own:
  openssl genpkey -algorithm ed25519 -out ada.key && openssl pkey -in ada.key -pubout -out ada.pub")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Let somebody send commands.
    Add {
        /// Their name, as their commands carry it.
        name: String,
        /// What they may ask for: view, operate or admin.
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        key: Key,
        /// Give somebody who is there already this key and role instead.
        #[arg(long)]
        replace: bool,
    },
    /// List who may send commands.
    List,
    /// Let somebody send no more commands.
    Remove {
        /// Their name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Key {
    /// File of their public key (Ed25519): PEM, a line of OpenSSH, or a JWK.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Make a key pair for them in this folder.
    #[arg(long, value_name = "DIR")]
    generate: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let config = context.config()?;
        let mut store = context.store(&config)?;
        let now = Timestamp::now();
        match self.verb {
            Verb::Add {
                name,
                role,
                key,
                replace,
            } => {
                anyhow::ensure!(
                    is_name(&name),
                    "{name:?} cannot be an operator's name: 1 to 64 letters, digits, \"-\", \"_\", \".\" or \"@\""
                );
                let taken =
                    |(operator, _): &(Operator, _)| operator.name.eq_ignore_ascii_case(&name);
                // Before a key is made for nothing.
                if !replace && store.operators()?.iter().any(taken) {
                    bail!(
                        "{name:?} may send commands already; use --replace to give them another key or role"
                    );
                }
                let (key, made) = key.public(&name)?;
                let operator = Operator { name, role, key };
                if let Err(error) = store.add_operator(now, &operator, replace) {
                    if let Some(path) = &made {
                        // Ours, and nobody has it.
                        let _ = std::fs::remove_file(path);
                    }
                    return Err(error.into());
                }
                added(context, &operator, made.as_deref(), &config.source())?;
            }
            Verb::List => {
                let operators = store.operators()?;
                if context.json {
                    let list: Vec<_> = operators
                        .iter()
                        .map(|(Operator { name, role, key }, added)| {
                            json!({"name": name, "role": role, "added": added, "public_key": key.to_pem()})
                        })
                        .collect();
                    context.print_json(&list)?;
                } else if operators.is_empty() {
                    print_line("nobody may send commands; see doorward operators add --help")?;
                }
                if !context.json {
                    for (Operator { name, role, .. }, added) in operators {
                        let (role, added) = (role.as_str(), rfc3339_millis(added));
                        print_line(&format!("{name:<24}  {role:<8}  since {added}"))?;
                    }
                }
            }
            Verb::Remove { name } => {
                anyhow::ensure!(
                    store.remove_operator(now, &name)?,
                    "there is no operator {name:?}; see doorward operators list"
                );
                if context.json {
                    context.print_json(&json!({"removed": name}))?;
                } else {
                    print_line(&format!(
                        "removed {name}: their commands are refused from now on"
                    ))?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

impl Key {
    /// The public key, and the file of the private one where it was made.
    fn public(self, name: &str) -> anyhow::Result<(PublicKey, Option<PathBuf>)> {
        if let Some(path) = self.key {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let key = PublicKey::parse(&text).with_context(|| path.display().to_string())?;
            return Ok((key, None));
        }
        let folder = self.generate.unwrap_or_default();
        let path = folder.join(format!("{name}.key"));
        let pem = keys::generate()?;
        let made = file::create(&path, &pem)
            .with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::ensure!(
            made,
            "{} is there already and is left as it is; give another folder, or --key with its public key",
            path.display()
        );
        let key = SigningKey::from_pem(&pem)?.public_key().clone();
        Ok((key, Some(path)))
    }
}

fn added(
    context: &Context,
    operator: &Operator,
    made: Option<&Path>,
    source: &str,
) -> anyhow::Result<()> {
    let Operator { name, role, key } = operator;
    if context.json {
        return context.print_json(&json!({
            "name": name, "role": role, "public_key": key.to_pem(), "private_key_file": made,
        }));
    }
    print_line(&format!("{name} may now send commands ({})", role.as_str()))?;
    if let Some(path) = made {
        let path = path.display();
        print_line(&format!(
            "private key: {path}\nHand it to {name} on a safe way and delete it here; whoever has it is {name} to this door.\nThey send commands with: doorward command --door {} --as {name} --key {path} unlock",
            source
                .trim_start_matches('/')
                .trim_start_matches("doorward/")
        ))?;
    }
    Ok(())
}
