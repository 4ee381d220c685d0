package badger

import "errors"

// errLocked means that another process, or another store in this one, uses the data directory.
var errLocked = errors.New("locked")
