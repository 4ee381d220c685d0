package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// maxInputs is the maximum number of inputs in a batch (HubSpot, "Using object APIs").
const maxInputs = 100

// input is an input of any kind of batch.
type input struct {
	ID         string `json:"id"`
	IDProperty string `json:"idProperty"`
	Trace      string `json:"objectWriteTraceId"`
	Properties values `json:"properties"`
}

// batch is the body of a batch call.
type batch struct {
	Inputs     []input  `json:"inputs"`
	IDProperty string   `json:"idProperty"` // for reads
	Properties []string `json:"properties"` // for reads
}

// step writes one input, or returns why it cannot. If dry, it only checks.
type step func(in input, dry bool) (*object, *problem)

func (a *api) batchCreate(r *http.Request) (int, any) {
	return a.writeBatch(r, http.StatusCreated, func(in input, dry bool) (*object, *problem) {
		return a.apply(nil, in.Properties.plain(), dry)
	})
}

func (a *api) batchUpdate(r *http.Request) (int, any) {
	return a.writeBatch(r, http.StatusOK, func(in input, dry bool) (*object, *problem) {
		if p := a.needsUnique(in); p != nil {
			return nil, p
		}
		old := a.contacts.find(in.IDProperty, in.ID)
		if old == nil {
			return nil, missing(in.ID)
		}
		return a.apply(old, in.Properties.plain(), dry)
	})
}

func (a *api) batchUpsert(r *http.Request) (int, any) {
	return a.writeBatch(r, http.StatusOK, func(in input, dry bool) (*object, *problem) {
		if p := a.needsUnique(in); p != nil {
			return nil, p
		}
		old, properties := a.contacts.find(in.IDProperty, in.ID), in.Properties.plain()
		if old == nil {
			if in.IDProperty == "" {
				return nil, missing(in.ID)
			}
			if properties[in.IDProperty] == "" {
				properties[in.IDProperty] = in.ID
			}
		}
		if old != nil && a.options.MergedConflicts && in.IDProperty == "email" && old.properties["email"] != normal(in.ID) {
			return nil, &problem{
				Category: "CONFLICT", Message: "Contact already exists. Existing ID: " + old.id, Context: map[string][]string{"existingId": {old.id}},
			}
		}
		if old != nil && in.IDProperty == "email" && normal(properties["email"]) == normal(in.ID) && !a.options.MergedMoves {
			delete(properties, "email") // a merged contact keeps its primary address
		}
		o, p := a.apply(old, properties, dry)
		if o != nil {
			isNew := old == nil
			o.New = &isNew
		}
		return o, p
	})
}

// apply writes or, if dry, only checks.
func (a *api) apply(old *contact, properties map[string]string, dry bool) (*object, *problem) {
	if dry {
		return nil, a.refusal(old, properties)
	}
	c, p := a.write(old, properties)
	if p != nil {
		return nil, p
	}
	o := written(c)
	return &o, nil
}

func (a *api) needsUnique(in input) *problem {
	switch property := in.IDProperty; {
	case property == "", property == "email", property == "hs_object_id", a.schema.isUnique(property):
		return nil
	}
	p := invalid("Unable to perform update/upsert by non-unique 0-1 property: " + in.IDProperty)
	return &p
}

func missing(id string) *problem {
	return &problem{Category: "OBJECT_NOT_FOUND", Message: "Could not get some CONTACT objects, they may be deleted or not exist.", Context: map[string][]string{"ids": {id}}}
}

// writeBatch executes a batch. If every input has a distinct trace, each succeeds or fails alone; otherwise the first failure fails
// the whole batch, and nothing is written.
func (a *api) writeBatch(r *http.Request, done int, write step) (int, any) {
	started := a.options.Now()
	b, refused := a.readInputs(r)
	if refused != nil {
		return http.StatusBadRequest, *refused
	}
	simulator.Note(r.Context(), len(b.Inputs), 0)
	if !traced(b.Inputs) {
		for i, in := range b.Inputs {
			if _, p := write(in, true); p != nil {
				return statusOf(p), *p
			}
			if p := unwelcome(r, i, len(b.Inputs), in); p != nil {
				return statusOf(p), *p
			}
		}
	}
	var (
		results  []object
		failures []problem
	)
	committed := 0
	for i, in := range b.Inputs {
		p := unwelcome(r, i, len(b.Inputs), in)
		var o *object
		if p == nil {
			o, p = write(in, false)
		}
		if p != nil {
			failures = append(failures, p.withTrace(in.Trace))
			continue
		}
		committed++
		if document, _ := json.Marshal(in); len(b.Inputs) > 1 && simulator.Omit(r.Context(), i, document) {
			continue
		}
		if !a.options.Untraced {
			o.Trace = in.Trace
		}
		results = append(results, *o)
	}
	simulator.Note(r.Context(), len(b.Inputs), committed)
	if len(failures) > 0 {
		done = http.StatusMultiStatus
	}
	return done, a.results(started, results, failures)
}

// unwelcome returns the problem of the i-th of n records if KindPartial refuses it.
func unwelcome(r *http.Request, i, n int, record any) *problem {
	if document, _ := json.Marshal(record); !simulator.Refuse(r.Context(), i, n, document) {
		return nil
	}
	p := invalid("The contact is not welcome")
	return &p
}

// results returns the answer to a batch, in random order.
func (a *api) results(started time.Time, results []object, failures []problem) any {
	a.random.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	answer := map[string]any{
		"status": "COMPLETE", "startedAt": started.UTC().Format(timeFormat), "completedAt": a.options.Now().UTC().Format(timeFormat),
		"results": append([]object{}, results...),
	}
	if len(failures) > 0 {
		answer["numErrors"], answer["errors"] = len(failures), failures
	}
	return answer
}

// readInputs decodes a batch. The problem is one with the batch as a whole.
func (a *api) readInputs(r *http.Request) (batch, *problem) {
	var b batch
	if _, body := decode(r, &b); body != nil {
		p := body.(problem)
		return b, &p
	}
	if len(b.Inputs) == 0 {
		p := invalid("No inputs in the batch")
		return b, &p
	}
	if len(b.Inputs) > maxInputs {
		p := invalid(fmt.Sprintf("The maximum number of inputs supported in a batch request for CONTACT is %d", maxInputs))
		return b, &p
	}
	var doubled []string
	seen := map[string]bool{}
	for _, in := range b.Inputs {
		id := normal(in.ID)
		if id != "" && seen[id] {
			doubled = append(doubled, in.ID)
		}
		seen[id] = true
	}
	if len(doubled) > 0 {
		p := invalid(fmt.Sprintf("Duplicate IDs found in batch input: %v. IDs must be unique", doubled))
		p.Context = map[string][]string{"ids": doubled}
		return b, &p
	}
	return b, nil
}

func traced(inputs []input) bool {
	seen := map[string]bool{}
	for _, in := range inputs {
		if in.Trace == "" || seen[in.Trace] {
			return false
		}
		seen[in.Trace] = true
	}
	return true
}

func (a *api) batchRead(r *http.Request) (int, any) {
	started := a.options.Now()
	b, refused := a.readInputs(r)
	if refused != nil {
		return http.StatusBadRequest, *refused
	}
	var (
		results []object
		gone    []string
	)
	for _, in := range b.Inputs {
		if c := a.contacts.find(b.IDProperty, in.ID); c != nil {
			results = append(results, shown(c, b.Properties))
		} else {
			gone = append(gone, in.ID)
		}
	}
	simulator.Note(r.Context(), len(b.Inputs), 0)
	if len(gone) > 0 {
		p := *missing("")
		p.Status, p.Context = "error", map[string][]string{"ids": gone}
		return http.StatusMultiStatus, a.results(started, results, []problem{p})
	}
	return http.StatusOK, a.results(started, results, nil)
}

func (a *api) batchArchive(r *http.Request) (int, any) {
	b, refused := a.readInputs(r)
	if refused != nil {
		return http.StatusBadRequest, *refused
	}
	removed := 0
	for _, in := range b.Inputs {
		if c := a.contacts.find("", in.ID); c != nil {
			a.contacts.remove(c, a.schema)
			removed++
		}
	}
	simulator.Note(r.Context(), len(b.Inputs), removed)
	return http.StatusNoContent, nil
}
