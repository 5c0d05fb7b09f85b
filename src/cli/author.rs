//! Who runs a verb, for the record: the account, and whose login session it is.
//!
//! The session's owner is what the kernel noted at the login (`loginuid`, of its audit subsystem): it stays
//! through `sudo` and `su`, and nobody but root can set it, and not twice. Environment variables say what
//! their owner wants.

use anyhow::Context as _;

/// What the kernel says when nobody logged in: a service, a timer, a container.
const NOBODY: u32 = u32::MAX;

/// The author of whatever this process records, such as `cli:doorward (login: ada)`.
pub(super) fn author() -> anyhow::Result<String> {
    let uid = own_uid();
    let user = match whoami::username() {
        Ok(name) => name,
        // A user without a name, as in a container: the number will do.
        Err(_) => uid.to_string(),
    };
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login = login.and_then(|text| text.trim().parse().ok());
    let accounts = || std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd");
    Ok(match login {
        None | Some(NOBODY) => format!("cli:{user}"),
        Some(login) if login == uid => format!("cli:{user}"),
        Some(login) => {
            let name = name_of(&accounts().unwrap_or_default(), login);
            format!("cli:{user} (login: {name})")
        }
    })
}

/// The user that this process works as.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name of an account, or its number where there is none: accounts may come from elsewhere.
fn name_of(accounts: &str, uid: u32) -> String {
    let of = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_shown = name
            .chars()
            .all(|c| c.is_ascii_graphic() && !"()".contains(c));
        (number.parse() == Ok(uid) && is_shown && !name.is_empty()).then(|| name.to_owned())
    };
    accounts
        .lines()
        .find_map(of)
        .unwrap_or_else(|| format!("user {uid}"))
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn an_account_is_told_by_its_name_or_else_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nada:x:1001:1001::/home/ada:/bin/sh\n\nbad\n(x):x:7:7::/:\n";
        assert_eq!(name_of(accounts, 1001), "ada");
        assert_eq!(name_of(accounts, 0), "root");
        assert_eq!(name_of(accounts, 1), "user 1");
        assert_eq!(name_of(accounts, 7), "user 7");
    }
}
