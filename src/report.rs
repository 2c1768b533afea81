//! What a pass did.
