package config

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// A change counts when the directories were quiet for this long: editors and Kubernetes take several steps to replace a
	// file, and the steps between are not meant to be read.
	quiet = 100 * time.Millisecond
	// Directories that are never quiet are looked at all the same.
	patience = 2 * time.Second
	// Some network and container file systems tell nobody of changes; so the files are read this often in any case.
	lookEvery = 30 * time.Second
)

// Files remembers which files a configuration was read from, and tells when one of them has changed. It is safe for concurrent
// use.
type Files struct {
	env  Environment
	mu   sync.Mutex
	sums map[string]sum // by path
}

// sum stands for what was read at a path. The zero value stands for a file that could not be read.
type sum [sha256.Size]byte

// NewFiles remembers what is read from the environment.
func NewFiles(env Environment) *Files { return &Files{env: env, sums: map[string]sum{}} }

// Environment is the environment that was given, with every file that is read from it remembered as it was at first: what is
// read later, such as a credential at its next use, does not hide that it has changed.
func (f *Files) Environment() Environment {
	env := f.env
	env.ReadFile = func(path string) ([]byte, error) {
		data, err := f.env.ReadFile(path)
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.sums[path]; !ok {
			f.sums[path] = sumOf(data, err)
		}
		return data, err
	}
	return env
}

func sumOf(data []byte, err error) sum {
	if err != nil {
		return sum{}
	}
	return sha256.Sum256(data)
}

// Changed reads the files again and reports whether one of them is another than it was when it was first read.
func (f *Files) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, before := range f.sums {
		if sumOf(f.env.ReadFile(path)) != before {
			return true
		}
	}
	return false
}

// directories are those in which a change of the files shows: where each stands, and where each really stands if it is a
// symbolic link. Kubernetes replaces a link in the first, people edit in the second.
func (f *Files) directories() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	directories := map[string]struct{}{}
	for path := range f.sums {
		directories[filepath.Dir(path)] = struct{}{}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			directories[filepath.Dir(target)] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(directories))
}

// Watcher tells when it is time to look whether files have changed.
type Watcher struct {
	notify *fsnotify.Watcher // nil where the system has no room for another
	look   chan struct{}
	end    chan struct{}
	done   chan struct{}
}

// NewWatcher begins to watch nothing. The error says that changes will be seen late, by reading the files now and then; the
// watcher is good all the same. Close ends it.
func NewWatcher() (*Watcher, error) {
	w := &Watcher{look: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	notify, err := fsnotify.NewWatcher()
	var events <-chan fsnotify.Event
	var faults <-chan error
	if err == nil {
		w.notify, events, faults = notify, notify.Events, notify.Errors
	}
	go w.run(events, faults)
	return w, err
}

// Look receives when the files may have changed. Signals coalesce.
func (w *Watcher) Look() <-chan struct{} { return w.look }

// Watch watches the directories of files, and no others. The error names those that cannot be watched; they are looked at
// now and then all the same.
func (w *Watcher) Watch(files *Files) error {
	if w.notify == nil {
		return nil
	}
	wanted, watched := files.directories(), w.notify.WatchList()
	var problems []error
	for _, directory := range watched {
		if !slices.Contains(wanted, directory) {
			_ = w.notify.Remove(directory) // it may be gone by itself
		}
	}
	for _, directory := range wanted {
		if slices.Contains(watched, directory) {
			continue
		}
		// A directory that is not there yet is waited for by looking now and then.
		if err := w.notify.Add(directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
		w.signal() // what changed between the reading and this
	}
	return errors.Join(problems...)
}

// Close ends the watching.
func (w *Watcher) Close() error {
	close(w.end)
	<-w.done
	if w.notify == nil {
		return nil
	}
	return w.notify.Close()
}

// run waits for the directories to become quiet after a change, and signals.
func (w *Watcher) run(events <-chan fsnotify.Event, faults <-chan error) {
	defer close(w.done)
	regular := time.NewTicker(lookEvery)
	defer regular.Stop()
	var settled, overdue <-chan time.Time // nil while nothing changed
	for {
		select {
		case <-w.end:
			return
		case event := <-events:
			if event.Op == fsnotify.Chmod { // reading a file is one on some systems
				continue
			}
			settled = time.After(quiet)
			if overdue == nil {
				overdue = time.After(patience)
			}
			continue
		case _, open := <-faults: // events were lost
			if !open {
				faults = nil
			}
		case <-regular.C:
		case <-settled:
		case <-overdue:
		}
		settled, overdue = nil, nil
		w.signal()
	}
}

func (w *Watcher) signal() {
	select {
	case w.look <- struct{}{}:
	default: // a signal waits already
	}
}
