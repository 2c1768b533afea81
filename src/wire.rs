//! Every JSON that leaves the process, version 1.
