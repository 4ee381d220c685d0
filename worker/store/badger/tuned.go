package badger

import (
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
	badgeropt "github.com/dgraph-io/badger/v4/options"
)

const (
	// The size of a memory table, which holds the latest writes, and of its log. Each occupies 1.3 times as much memory from the
	// start, and some four times as much for a moment while it is written to disk.
	memTable = 8 << 20
	// The size of a memory table, in largest leads. A transaction may fill 15 % of a table, so it holds six such leads: what is
	// stored of one, with submission and events, may be three times what came in. No value is larger than maxValue.
	memTableOfLead = 40
	memTableMost   = 16 << 20
	// The size of all tables below the first level. By default, deeper levels have larger tables. Badger uses some six times the
	// size of each table that it writes, up to thirteen at once, so that compacting a large store would take hundreds of MiB.
	// Each table takes a file descriptor: 500 for a million leads.
	tableSize = 2 << 20
	// Nothing is ever in the value log, but every commit syncs it: that takes 0.15 ms with a map of 128 MiB, and next to nothing
	// with Badger's minimum.
	valueLog = 1 << 20
	// How much collects in the first level, in 24 tables as flushed from memory, before it is merged with the rest; leads wait
	// only at twice that, so that a campaign of some 100,000 leads is not delayed. Lookups consult the filter of every such
	// table, and read those that have the key: twelve tables more cost no measurable CPU time.
	firstLevel = 192 << 20
	// The size of the level that the first is merged into, which is rewritten each time, in up to five goroutines. With 64 MiB,
	// at 5,000 leads a second on two processors, one lead in twenty waited for that, for up to half a second.
	baseLevel = 16 << 20
	// The most space that merging the first level may take: the old tables are removed after the new ones are written.
	merging = 2*firstLevel + baseLevel
)

// memTableOf returns the size of memory tables.
func memTableOf(o Options) int64 {
	return min(max(memTable, int64(o.LargestLead)*memTableOfLead), memTableMost)
}

// tuned returns Badger's options for a small service: it opens fast after a crash, uses little memory, and a transaction that
// returns is on disk. With one writer, there are no conflicts to detect. Values up to 1 MiB, Badger's maximum, stay out of the
// value log: replaced values there are never freed without a collector, and a failed sync is only logged (badger 4.9.6,
// valueLog.write), so that a lead would be acknowledged without being on disk.
func tuned(o Options) badgerdb.Options {
	compression := badgeropt.Snappy
	if o.Uncompressed {
		compression = badgeropt.None
	}
	options := badgerdb.DefaultOptions(filepath.Join(o.Dir, databaseDir)).
		WithSyncWrites(true).
		WithDetectConflicts(false).
		WithMemTableSize(memTableOf(o)).
		WithNumMemtables(4).
		WithNumLevelZeroTables(int(firstLevel / memTableOf(o))).
		WithNumLevelZeroTablesStall(int(2 * firstLevel / memTableOf(o))).
		WithBaseLevelSize(baseLevel).
		WithBaseTableSize(tableSize).
		WithNumCompactors(2).
		WithValueThreshold(maxValue).
		WithValueLogFileSize(valueLog).
		WithBlockCacheSize(8 << 20).
		WithIndexCacheSize(8 << 20).
		WithBloomFalsePositive(0.001).
		WithCompression(compression).
		WithChecksumVerificationMode(badgeropt.OnBlockRead).
		WithEncryptionKey(o.EncryptionKey).
		WithEncryptionKeyRotationDuration(dataKeyLife).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{o.Logger})
	options.TableSizeMultiplier = 1
	return options
}

// openDatabase opens the database in a directory, or creates it. If the logs come from a configuration with larger memory tables,
// it enlarges ours to hold them: otherwise Badger ends the process.
func openDatabase(o Options, dir string) (*badgerdb.DB, error) {
	content, err := checkLogs(o, dir)
	if err != nil {
		return nil, err
	}
	options := tuned(o)
	options.Dir, options.ValueDir = dir, dir
	if room := options.MemTableSize * 13 / 10; content > room { // leaves room for another transaction, and for its nodes
		options.MemTableSize = content
	}
	return badgerdb.Open(options)
}
