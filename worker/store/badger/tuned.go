package badger

import (
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
	badgeropt "github.com/dgraph-io/badger/v4/options"
)

const (
	// What was written last is in memory tables of this size, and in logs that are as long. Each takes 1.3 times as much of
	// memory from the start, and turning one into a table on disk some four times as much for a moment.
	memTable = 8 << 20
	// A memory table is that many times as large as the largest lead. One transaction holds 15 % of a table, thus six times that
	// lead: what is kept of it, with submission and events, may be three times what came, and none of it is larger than maxValue.
	memTableOfLead = 40
	memTableMost   = 16 << 20
	// Tables below the first level, all of one size: usually those of deeper levels are larger, and as Badger holds some six
	// times the size of each that it writes, up to thirteen at a time, a large store would take hundreds of MiB to compact.
	// Each takes a file descriptor: 500 for a million leads.
	tableSize = 2 << 20
	// Nothing is ever in the value log, and yet every commit syncs it: 0.15 ms for a map of 128 MiB, next to nothing for the least
	// that Badger takes.
	valueLog = 1 << 20
	// So much lies on disk in tables as they were in memory, 24 of them, before they are merged with the rest, and twice that
	// before leads have to wait for it: some 100,000 leads of a campaign come in without. A key is looked for in each, of which
	// its filter spares all but the tables that have it: twelve more cost no computing that could be measured.
	firstLevel = 192 << 20
	// How much lies in the level that they are merged into, all of which is written anew each time, in up to five goroutines at
	// once. With 64 MiB, one lead in twenty waited for that at 5,000 a second on two processors, for up to half a second.
	baseLevel = 16 << 20
	// What a merge of the first level with the next may take on disk at most: what is merged is removed when all is written.
	merging = 2*firstLevel + baseLevel
)

// memTableOf is the size of memory tables.
func memTableOf(o Options) int64 {
	return min(max(memTable, int64(o.LargestLead)*memTableOfLead), memTableMost)
}

// tuned are Badger's options for a small service: quick to open after a crash, little memory, and writes that are on
// disk when the transaction is. One writer means that there is no conflict to detect. Values stay out of the value log up
// to 1 MiB, the most that Badger allows: what is replaced there is never freed without a collector, and a sync of it that
// fails is logged and not returned (badger 4.9.6, valueLog.write), so that a lead would be acknowledged without being on disk.
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

// openDatabase opens the database in a directory, or makes one. What another configuration left in the logs of larger memory tables
// has to fit into ours: otherwise Badger ends the process.
func openDatabase(o Options, dir string) (*badgerdb.DB, error) {
	content, err := checkLogs(o, dir)
	if err != nil {
		return nil, err
	}
	options := tuned(o)
	options.Dir, options.ValueDir = dir, dir
	if room := options.MemTableSize * 13 / 10; content > room { // room for one transaction more, and for its nodes
		options.MemTableSize = content
	}
	return badgerdb.Open(options)
}
