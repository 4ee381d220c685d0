package main

import (
	"io/fs"
	"path"
)

// sourceFS shows only the source: the rooms, and the files beside them.
type sourceFS struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (s sourceFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	if err != nil {
		return nil, err
	}
	var kept []fs.DirEntry
	for _, entry := range entries {
		if name != "." || !entry.IsDir() || rooms[path.Base(entry.Name())] {
			kept = append(kept, entry)
		}
	}
	return kept, nil
}

// rooms are the top-level directories that a build needs.
var rooms = map[string]bool{"gen": true, "server": true, "worker": true, "clients": true}
