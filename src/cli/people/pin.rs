//! Asks for PINs and hashes them. A PIN is never an argument, printed, or kept as such.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, anyhow, ensure};
use doorward::access::guessable;
use doorward::access::pin::{PinError, Salt, hash_pin, is_near};
use doorward::access::rules::PinHashes;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Hashes of the PINs that were asked for.
pub(super) struct Asked {
    pub(super) pin: Option<String>,
    pub(super) duress: Option<String>,
}

/// Asks for a PIN, a duress PIN, or both; they must differ in two digits, also from what is `held`.
pub(super) fn ask(pin: bool, duress: bool, held: Option<&PinHashes>) -> anyhow::Result<Asked> {
    ensure!(
        pin || held.is_some(),
        "a duress PIN is only for somebody who has a PIN; add --pin"
    );
    let new_pin = pin.then(|| digits("PIN")).transpose()?;
    let new_duress = duress.then(|| digits("duress PIN")).transpose()?;
    let hash = |digits: &Option<String>| digits.as_deref().map(hash).transpose();
    // Hashed first: what is no PIN at all is refused as such.
    let asked = Asked {
        pin: hash(&new_pin)?,
        duress: hash(&new_duress)?,
    };
    let held_duress = held.and_then(|held| held.duress.as_deref());
    let near = match (&new_pin, &new_duress) {
        (Some(pin), Some(duress)) => guessable::places(pin, duress) < 2,
        (Some(pin), None) => held_duress.is_some_and(|held| is_near(held, pin)),
        (None, Some(duress)) => held.is_some_and(|held| is_near(&held.pin, duress)),
        (None, None) => false,
    };
    if near {
        return Err(PinError::NearPin.into());
    }
    Ok(asked)
}

/// Reads one PIN: twice without echo from a terminal, else one line of standard input.
fn digits(what: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let digits = if stdin.is_terminal() {
        let prompt = |text: String| {
            rpassword::prompt_password(text).context("cannot read from the terminal")
        };
        let first = prompt(format!("{what}: "))?;
        let second = prompt(format!("{what} again: "))?;
        ensure!(
            first == second,
            "the two were not the same; nothing was changed"
        );
        first
    } else {
        let mut line = String::new();
        stdin
            .lock()
            .read_line(&mut line)
            .with_context(|| format!("cannot read the {what} from standard input"))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    Ok(digits)
}

fn hash(digits: &str) -> anyhow::Result<String> {
    let mut salt = Salt::default();
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| anyhow!("the system gives no random numbers, so the PIN cannot be hashed"))?;
    Ok(hash_pin(digits, &salt)?)
}
