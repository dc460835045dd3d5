//! External access policies, to whom each is given, and whom users let reach them.

use federation::external_access::{ExternalAccess, ORGANISATION, Policy};
use rusqlite::{OptionalExtension, params};
use sip::Aor;

use crate::{Store, StoreError};

/// What was decided about one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAccess {
    pub policy: Option<String>,
    pub group: Option<String>,
    /// Addresses and domains that the user lets in.
    pub allows: Vec<String>,
}

/// Addresses and domains that one user can let in.
pub const USER_ALLOWS_MAX: u64 = 1000;

impl Store {
    /// Keeps a policy in place of the one of its name.
    pub fn put_policy(&self, policy: &Policy) -> Result<(), StoreError> {
        let record = serde_json::to_string(policy).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let put = "INSERT INTO policies (name, record) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET record = ?2";
        self.connection().prepare_cached(put)?.execute([&policy.name, &record])?;
        Ok(())
    }

    /// Removes a policy. Without one, the organisation's policy allows everything.
    ///
    /// # Errors
    /// [`StoreError::PolicyUnknown`]; [`StoreError::PolicyInUse`] where it is given to somebody.
    pub fn remove_policy(&self, name: &str) -> Result<(), StoreError> {
        let holders = self.holders(name)?;
        if !holders.is_empty() {
            let named = holders.iter().take(HOLDERS_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = holders.len().saturating_sub(HOLDERS_NAMED_MAX);
            let holders = if more > 0 { format!("{named} and {more} more") } else { named };
            return Err(StoreError::PolicyInUse { name: name.to_owned(), holders });
        }
        let removed = self.connection().prepare_cached("DELETE FROM policies WHERE name = ?1")?.execute([name])?;
        if removed == 0 && name != ORGANISATION { Err(StoreError::PolicyUnknown(name.to_owned())) } else { Ok(()) }
    }

    /// All policies by name, the organisation's among them even where nobody has set it.
    pub fn policies(&self) -> Result<Vec<Policy>, StoreError> {
        let mut statement = self.connection().prepare_cached("SELECT record FROM policies ORDER BY name")?;
        let records: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let read = |record: &String| {
            serde_json::from_str(record).map_err(|error| StoreError::Unreadable(format!("a policy: {error}")))
        };
        let mut policies: Vec<Policy> = records.iter().map(read).collect::<Result<_, _>>()?;
        if !policies.iter().any(|policy| policy.name == ORGANISATION) {
            policies.push(Policy::new(ORGANISATION));
            policies.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(policies)
    }

    /// To whom a policy is given: users by address, groups as `group NAME`.
    pub fn holders(&self, policy: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection().prepare_cached(
            "SELECT 'group ' || group_name FROM group_policies WHERE policy = ?1
             UNION ALL SELECT aor FROM user_access WHERE policy = ?1",
        )?;
        Ok(statement.query_map([policy], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Gives a policy to a group, or takes it from it.
    ///
    /// # Errors
    /// [`StoreError::PolicyUnknown`].
    pub fn set_group_policy(&self, group: &str, policy: Option<&str>) -> Result<(), StoreError> {
        match policy {
            Some(policy) => {
                self.check_policy(policy)?;
                let put = "INSERT INTO group_policies (group_name, policy) VALUES (?1, ?2)
                    ON CONFLICT (group_name) DO UPDATE SET policy = ?2";
                self.connection().prepare_cached(put)?.execute([group, policy])?;
            }
            None => {
                self.connection()
                    .prepare_cached("DELETE FROM group_policies WHERE group_name = ?1")?
                    .execute([group])?;
            }
        }
        Ok(())
    }

    /// Every group that has a policy, with its name.
    pub fn group_policies(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.pairs("SELECT group_name, policy FROM group_policies ORDER BY group_name")
    }

    /// Gives a policy to a user, or takes the user's own away.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`], [`StoreError::PolicyUnknown`].
    pub fn set_user_policy(&self, aor: &Aor, policy: Option<&str>) -> Result<(), StoreError> {
        policy.map_or(Ok(()), |policy| self.check_policy(policy))?;
        self.set_user_access(aor, "policy", policy)
    }

    /// Puts a user into a group, or out of the one that he is in.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn set_user_group(&self, aor: &Aor, group: Option<&str>) -> Result<(), StoreError> {
        self.set_user_access(aor, "group_name", group)
    }

    fn set_user_access(&self, aor: &Aor, column: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.check_user(aor)?;
        let put = format!(
            "INSERT INTO user_access (aor, {column}) VALUES (?1, ?2) ON CONFLICT (aor) DO UPDATE SET {column} = ?2"
        );
        self.connection().prepare_cached(&put)?.execute(params![aor.to_string(), value])?;
        Ok(())
    }

    /// Lets an address or a domain, in lower case, reach a user unverified; whether it did not before.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`], [`StoreError::AllowsFull`].
    pub fn allow(&self, aor: &Aor, who: &str) -> Result<bool, StoreError> {
        self.check_user(aor)?;
        let count = "SELECT count(*) FROM user_allows WHERE aor = ?1";
        let count: i64 = self.connection().prepare_cached(count)?.query_row([aor.to_string()], |row| row.get(0))?;
        if count.unsigned_abs() >= USER_ALLOWS_MAX {
            return Err(StoreError::AllowsFull { aor: aor.clone(), max: USER_ALLOWS_MAX });
        }
        let put = "INSERT INTO user_allows (aor, who) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        Ok(self.connection().prepare_cached(put)?.execute([aor.to_string().as_str(), who])? > 0)
    }

    /// Takes that back; whether there was anything to take back.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn unallow(&self, aor: &Aor, who: &str) -> Result<bool, StoreError> {
        self.check_user(aor)?;
        let remove = "DELETE FROM user_allows WHERE aor = ?1 AND who = ?2";
        Ok(self.connection().prepare_cached(remove)?.execute([aor.to_string().as_str(), who])? > 0)
    }

    /// What was decided about one user.
    ///
    /// # Errors
    /// [`StoreError::UserUnknown`].
    pub fn user_access(&self, aor: &Aor) -> Result<StoredAccess, StoreError> {
        self.check_user(aor)?;
        let given = self
            .connection()
            .prepare_cached("SELECT policy, group_name FROM user_access WHERE aor = ?1")?
            .query_row([aor.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (policy, group) = given.unwrap_or_default();
        let mut statement =
            self.connection().prepare_cached("SELECT who FROM user_allows WHERE aor = ?1 ORDER BY who")?;
        let allows = statement.query_map([aor.to_string()], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(StoredAccess { policy, group, allows })
    }

    /// All of it, as a decision reads it.
    pub fn external_access(&self) -> Result<ExternalAccess, StoreError> {
        let mut access = ExternalAccess::new(self.policies()?);
        for (group, policy) in self.group_policies()? {
            access.give_to_group(group, policy);
        }
        for (aor, policy) in self.pairs("SELECT aor, policy FROM user_access WHERE policy IS NOT NULL")? {
            access.give_to_user(user(&aor)?, policy);
        }
        for (aor, group) in self.pairs("SELECT aor, group_name FROM user_access WHERE group_name IS NOT NULL")? {
            access.put_into_group(user(&aor)?, group);
        }
        for (aor, who) in self.pairs("SELECT aor, who FROM user_allows")? {
            access.let_reach(user(&aor)?, &who);
        }
        Ok(access)
    }

    fn pairs(&self, select: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.connection().prepare_cached(select)?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    fn check_user(&self, aor: &Aor) -> Result<(), StoreError> {
        if self.user_exists(aor)? { Ok(()) } else { Err(StoreError::UserUnknown(aor.clone())) }
    }

    /// The organisation's is there as soon as it is given to somebody.
    fn check_policy(&self, name: &str) -> Result<(), StoreError> {
        let found = self.connection().prepare_cached("SELECT 1 FROM policies WHERE name = ?1")?.exists([name])?;
        match found {
            true => Ok(()),
            false if name == ORGANISATION => self.put_policy(&Policy::new(ORGANISATION)),
            false => Err(StoreError::PolicyUnknown(name.to_owned())),
        }
    }
}

fn user(aor: &str) -> Result<Aor, StoreError> {
    aor.parse().map_err(|error| StoreError::Unreadable(format!("user {aor}: {error}")))
}

const HOLDERS_NAMED_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use federation::external_access::Scope;

    use super::*;
    use crate::Credentials;
    use crate::testing::new_store;

    fn aor(name: &str) -> Aor {
        format!("{name}@contoso.example").parse().unwrap()
    }

    fn store() -> (tempfile::TempDir, Store) {
        let (folder, store) = new_store();
        let credentials = Credentials::new(&aor("alice"), "a long password").unwrap();
        for name in ["alice", "bob"] {
            store.add_user(&aor(name), &credentials, 1).unwrap();
        }
        (folder, store)
    }

    fn holds(store: &Store, name: &str) -> (String, Scope) {
        let access = store.external_access().unwrap();
        let (policy, scope) = access.policy_of(Some(&aor(name)));
        (policy.unwrap().name.clone(), scope)
    }

    #[test]
    fn what_is_given_is_what_a_decision_reads() {
        let (_folder, store) = store();
        assert_eq!(holds(&store, "alice"), (ORGANISATION.to_owned(), Scope::Organisation));
        store.put_policy(&Policy::new("sales")).unwrap();
        store.put_policy(&Policy { federation: false, ..Policy::new("floor") }).unwrap();
        store.set_group_policy("workers", Some("floor")).unwrap();
        store.set_user_group(&aor("bob"), Some("workers")).unwrap();
        store.set_user_policy(&aor("alice"), Some("sales")).unwrap();
        store.set_user_group(&aor("alice"), Some("workers")).unwrap();
        assert_eq!(holds(&store, "alice"), ("sales".to_owned(), Scope::User));
        assert_eq!(holds(&store, "bob"), ("floor".to_owned(), Scope::Group("workers".to_owned())));
        store.set_user_policy(&aor("alice"), None).unwrap();
        assert_eq!(holds(&store, "alice").0, "floor");
        store.set_group_policy("workers", None).unwrap();
        assert_eq!(holds(&store, "bob").1, Scope::Organisation);
    }

    #[test]
    fn a_policy_in_use_stays_and_one_that_is_not_there_is_given_to_nobody() {
        let (_folder, store) = store();
        assert!(matches!(store.set_user_policy(&aor("alice"), Some("sales")), Err(StoreError::PolicyUnknown(_))));
        store.put_policy(&Policy::new("sales")).unwrap();
        store.set_user_policy(&aor("alice"), Some("sales")).unwrap();
        store.set_group_policy("workers", Some("sales")).unwrap();
        let error = store.remove_policy("sales").unwrap_err();
        assert_eq!(error.to_string(), "the policy sales is given to group workers, alice@contoso.example");
        store.remove_user(&aor("alice")).unwrap();
        store.set_group_policy("workers", None).unwrap();
        store.remove_policy("sales").unwrap();
        assert!(matches!(store.remove_policy("sales"), Err(StoreError::PolicyUnknown(_))));
        // The organisation's is always there; removed, it allows everything again.
        store.put_policy(&Policy { federation: false, ..Policy::new(ORGANISATION) }).unwrap();
        store.remove_policy(ORGANISATION).unwrap();
        store.set_user_policy(&aor("bob"), Some(ORGANISATION)).unwrap();
        assert_eq!(store.policies().unwrap(), [Policy::new(ORGANISATION)]);
    }

    #[test]
    fn users_let_in_whom_they_name_and_take_it_back() {
        let (_folder, store) = store();
        assert!(store.allow(&aor("alice"), "bob@fabrikam.example").unwrap());
        assert!(!store.allow(&aor("alice"), "bob@fabrikam.example").unwrap());
        assert!(store.external_access().unwrap().lets_reach(&aor("alice"), "bob@fabrikam.example"));
        assert_eq!(store.user_access(&aor("alice")).unwrap().allows, ["bob@fabrikam.example"]);
        assert!(store.unallow(&aor("alice"), "bob@fabrikam.example").unwrap());
        assert!(!store.unallow(&aor("alice"), "bob@fabrikam.example").unwrap());
        let stranger = store.allow(&aor("nobody"), "bob@fabrikam.example");
        assert!(matches!(stranger, Err(StoreError::UserUnknown(_))));
        for number in 0..USER_ALLOWS_MAX {
            store.allow(&aor("bob"), &format!("d{number}.example")).unwrap();
        }
        assert!(matches!(store.allow(&aor("bob"), "one.example"), Err(StoreError::AllowsFull { .. })));
    }
}
