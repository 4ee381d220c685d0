package badger

import "errors"

// errLocked says that another process, or another store of this one, has the data directory.
var errLocked = errors.New("locked")
