package http

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// batching says how many leads are sent in a request, and how.
type batching struct {
	max     int
	ndjson  bool
	under   string
	results pointer // nil if the answer has no results
}

func newBatching(cfg *configv1.HTTP) (*batching, error) {
	batch := cfg.GetBatch()
	if batch == nil {
		return nil, nil
	}
	b := &batching{max: int(batch.GetMaxLeads()), ndjson: batch.GetFormat() == "ndjson", under: batch.GetUnder()}
	b.max = cmp.Or(b.max, defaultBatch)
	switch {
	case b.ndjson && b.under != "":
		return nil, errors.New("under is for arrays; ndjson has one line for each lead and nothing around")
	case cfg.GetBody().GetForm() != nil:
		return nil, errors.New("a form holds one lead; take batch or body.form out")
	case cfg.GetRecordId() != "" && batch.GetResults() == "":
		return nil, errors.New("record_id needs results, the list of what became of each lead")
	}
	if batch.GetResults() == "/" {
		b.results = pointer{}
		return b, nil
	}
	if batch.GetResults() != "" {
		var err error
		if b.results, err = parsePointer(batch.GetResults()); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// contentType returns the content type of a batch of such bodies.
func (b *batching) contentType(of body) string {
	if b.ndjson {
		return "application/x-ndjson"
	}
	return of.contentType
}

// join joins the bodies of leads into one.
func (b *batching) join(bodies [][]byte) []byte {
	if b.ndjson {
		return append(bytes.Join(bodies, []byte("\n")), '\n')
	}
	array := append(append([]byte("["), bytes.Join(bodies, []byte(","))...), ']')
	if b.under == "" {
		return array
	}
	key, _ := json.Marshal(b.under)
	out := append([]byte("{"), key...)
	return append(append(append(out, ':'), array...), '}')
}
