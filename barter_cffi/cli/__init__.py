"""Programs for a terminal; they need the extra `barter-cffi[cli]`."""
