package prepare

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// How often to check whether the database was replaced.
const placeLook = 5 * time.Second

// place looks up the places of IP addresses in a MaxMind database. It reopens the database when the file is replaced. It is safe
// for concurrent use.
type place struct {
	p    *Preparer
	path string

	mu     sync.RWMutex      // held for writing while the reader is replaced
	reader *maxminddb.Reader // nil before the first lookup, and when closed
	file   os.FileInfo
	looked time.Time
	closed bool
}

// newPlace checks that the database can be read. Only the first lookup keeps it open, because the configuration may still be
// refused.
func (p *Preparer) newPlace(cfg *configv1.Place, before *place) (*place, error) {
	if before != nil && before.path == cfg.GetDatabase() {
		return before, nil
	}
	reader, _, err := openPlaces(cfg.GetDatabase())
	if err != nil {
		return nil, fmt.Errorf("enrich.place: %w", err)
	}
	_ = reader.Close() // nothing was written
	return &place{p: p, path: cfg.GetDatabase()}, nil
}

func openPlaces(path string) (*maxminddb.Reader, os.FileInfo, error) {
	file, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("database %s cannot be read: %w", path, err)
	}
	reader, err := maxminddb.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not a MaxMind database: %w", path, err)
	}
	return reader, file, nil
}

func (l *place) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.drop()
}

// drop closes the database. mu must be held.
func (l *place) drop() {
	if l.reader != nil {
		_ = l.reader.Close() // nothing was written
		l.reader = nil
	}
}

// refresh opens the database if it is not open or its file was replaced. If the new one cannot be read, the old one stays open.
func (l *place) refresh() {
	now := l.p.now()
	l.mu.RLock()
	due := now.Sub(l.looked) >= placeLook
	l.mu.RUnlock()
	if !due {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.looked) < placeLook || l.closed {
		return
	}
	l.looked = now
	file, err := os.Stat(l.path)
	if err == nil && l.reader != nil && os.SameFile(file, l.file) && file.ModTime().Equal(l.file.ModTime()) && file.Size() == l.file.Size() {
		return
	}
	reader, file, err := openPlaces(l.path)
	if err != nil {
		l.p.failed("place", "the database of places is not read: "+err.Error())
		return
	}
	l.drop()
	l.reader, l.file = reader, file
}

func (l *place) find(address string) finding {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return finding{} // has no place
	}
	l.refresh()
	var record struct {
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		Regions []struct {
			Names map[string]string `maxminddb:"names"`
		} `maxminddb:"subdivisions"`
		City struct {
			Names map[string]string `maxminddb:"names"`
		} `maxminddb:"city"`
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.reader == nil {
		return finding{without: "place: the database cannot be read"}
	}
	if err := l.reader.Lookup(ip).Decode(&record); err != nil {
		l.p.failed("place", "leads are sent without their place: "+err.Error())
		return finding{without: "place: the database cannot be read"}
	}
	var region string
	if len(record.Regions) > 0 {
		region = record.Regions[0].Names["en"]
	}
	found := map[string]string{"geo_country": clip(record.Country.Code), "geo_region": clip(region), "geo_city": clip(record.City.Names["en"])}
	var f finding
	for _, name := range []string{"geo_country", "geo_region", "geo_city"} {
		if found[name] != "" {
			f.learnt = append(f.learnt, name)
		}
	}
	if len(f.learnt) > 0 {
		f.enrich = func(e *leadgatev1.Enrichment) {
			e.GeoCountry, e.GeoRegion, e.GeoCity = found["geo_country"], found["geo_region"], found["geo_city"]
		}
	}
	return f
}
