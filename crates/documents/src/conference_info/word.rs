//! The words that the schema lists (RFC 4575 section 6).

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$mark:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$mark])* $variant,)+
        }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// As it stands in a document.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// `None` for a word that the schema does not have.
            pub fn named(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }
    };
}

words! {
    /// Whether an element is all that is known, what changed of it, or gone (RFC 4575 section 4).
    #[derive(Default)]
    State {
        /// What an element without the attribute is.
        #[default]
        Full "full",
        Partial "partial",
        Deleted "deleted",
    }
}

words! {
    /// RFC 4575 section 5.7.3.
    EndpointStatus {
        Pending "pending",
        DialingOut "dialing-out",
        DialingIn "dialing-in",
        Alerting "alerting",
        OnHold "on-hold",
        Connected "connected",
        MutedViaFocus "muted-via-focus",
        Disconnecting "disconnecting",
        Disconnected "disconnected",
    }
}

words! {
    /// RFC 4575 section 5.7.4.
    JoiningMethod {
        DialedIn "dialed-in",
        DialedOut "dialed-out",
        FocusOwner "focus-owner",
    }
}

words! {
    /// RFC 4575 section 5.7.6.
    DisconnectionMethod {
        Departed "departed",
        Booted "booted",
        Failed "failed",
        Busy "busy",
    }
}

words! {
    /// As the participant sees it: who only listens is `recvonly` (RFC 4575 section 5.8).
    MediaStatus {
        Recvonly "recvonly",
        Sendonly "sendonly",
        Sendrecv "sendrecv",
        Inactive "inactive",
    }
}
