package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/spelling"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// propertyDrift holds a v1.Drift for each CRM property that does not fit, by destination, type and property. It is deleted when
	// the property fits again, and not listed while the destination is not configured.
	propertyDrift = "property-drift"
	// formDrift belongs to the front of the house: it holds a v1.Event about a form for each field that a page renamed.
	formDrift = "drift"
	// seenNamespace holds a store.v1.SeenProperties by destination.
	seenNamespace = "properties"
)

// needs is how many characters a property must accept to hold nearly every value of a text field. Longer values are not truncated:
// the CRM refuses them, and the lead is delivered without.
var needs = map[string]int{
	"email": 80, "first_name": 40, "last_name": 40, "phone": 16, "company": 80, "website": 80, "job_title": 40, "street": 80, "city": 40,
	"postal_code": 10, "country": 2,
}

// driftsOf compares a CRM's schema with the mapped properties and the values that the configuration names for them. seen holds the
// properties as they were, and is updated.
func driftsOf(schema *crm.Schema, mapped map[string]string, named map[string][]string, seen *storev1.SeenProperties) []*leadgatev1.Drift {
	var drifts []*leadgatev1.Drift
	names := schema.Names()
	for _, name := range slices.Sorted(maps.Keys(mapped)) {
		source := mapped[name]
		drift := &leadgatev1.Drift{Field: name, LeadField: source}
		p := schema.Property(name)
		if p == nil {
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_GONE
			drift.Detail = fmt.Sprintf("the CRM has no property %s (any more)", name)
			if near := nearest(name, schema, names, mapped); near != "" {
				drift.Suggestion = near + ": " + source
				drift.Detail += fmt.Sprintf("; did you mean %s?", near)
			}
			drifts = append(drifts, drift)
			continue
		}
		was := seen.GetProperties()[name]
		if was == nil || was.GetSource() != source {
			was = &storev1.SeenProperty{Source: source, Type: p.Native, MaxLength: int32(p.MaxLength)}
			if seen.Properties == nil {
				seen.Properties = map[string]*storev1.SeenProperty{}
			}
			seen.Properties[name] = was
		}
		switch {
		case p.ReadOnly:
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_READ_ONLY
			drift.Detail = fmt.Sprintf("the CRM's property %s is read-only; take it out of properties, or let the token write it", name)
		case was.GetType() != p.Native:
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_TYPE
			drift.Detail = fmt.Sprintf("the CRM's property %s changed from type %s to type %s; map something that fits, or another property", name, was.GetType(), p.Native)
		case !holds(p.Type, source):
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_TYPE
			drift.Detail = fmt.Sprintf("the CRM's property %s is of type %s, and %s is a text; map another property", name, p.Native, source)
		case tooShort(p.MaxLength, int(was.GetMaxLength()), needs[source]):
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_TOO_SHORT
			drift.Detail = fmt.Sprintf("the CRM's property %s accepts only %d characters, too few for %s; make it longer, or map another property", name, p.MaxLength, source)
		default:
			strange := strangers(p, named[name])
			if len(strange) == 0 {
				continue
			}
			drift.Type = leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_OPTION
			drift.Detail = fmt.Sprintf("the CRM's property %s has no option %s (any more); it has %s; correct what the configuration makes of it, or add it in the CRM",
				name, few(strange), few(optionsOf(p)))
		}
		drifts = append(drifts, drift)
	}
	for _, p := range schema.Properties {
		if _, is := mapped[p.Name]; p.Required && !p.ReadOnly && !is {
			drifts = append(drifts, &leadgatev1.Drift{
				Type: leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_REQUIRED, Field: p.Name,
				Detail: fmt.Sprintf("the CRM requires %s (%s) for every record, but nothing is mapped to it; add it under properties", p.Name, p.Label),
			})
		}
	}
	return drifts
}

// nearest returns the property that name probably means, or was probably renamed to: one with a similar name or label to which
// nothing is mapped yet. It returns "" if there is none.
func nearest(name string, schema *crm.Schema, names []string, mapped map[string]string) string {
	var free []string
	labels := map[string]string{}
	for _, known := range names {
		if _, taken := mapped[known]; taken {
			continue
		}
		free = append(free, known)
		labels[schema.Property(known).Label] = known
	}
	if near := spelling.Nearest(name, free); near != "" {
		return near
	}
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(labels))); near != "" {
		return labels[near]
	}
	// company became company_name: one name begins or ends with the other.
	for _, known := range free {
		if len(name) >= 4 && len(known) >= 4 && (strings.HasPrefix(known, name) || strings.HasPrefix(name, known) || strings.HasSuffix(known, name)) {
			return known
		}
	}
	return ""
}

// holds reports whether a property of type t can hold the values of a lead field. It returns true for custom fields and
// expressions, whose values are not known.
func holds(t crm.PropertyType, source string) bool {
	switch t {
	case crm.Number, crm.Bool, crm.Date, crm.Time:
		return needs[source] == 0 && source != "message"
	}
	return true
}

func optionsOf(p *crm.Property) []string {
	values := make([]string, len(p.Options))
	for i, o := range p.Options {
		if values[i] = o.Value; p.Numbered && o.Label != "" {
			values[i] = o.Label // people write the labels; the numbers mean nothing to them
		}
	}
	return values
}

// few joins the first few names, and says how many more there are.
func few(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func tooShort(is, was, need int) bool { return is > 0 && (is < was || is < need) }

// noteDrifts stores what does not fit, and publishes what is new and what fits again. Known drifts are only updated.
func (l *lane) noteDrifts(ctx context.Context, drifts []*leadgatev1.Drift) error {
	state := l.worker.store.State(propertyDrift)
	keys, err := state.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read what does not fit: %w", err)
	}
	known := map[string]bool{}
	for _, key := range keys {
		if strings.HasPrefix(key, l.name+"/") {
			known[key] = true
		}
	}
	now := l.worker.now()
	for _, drift := range drifts {
		drift.Destination, drift.Since = l.name, timestamppb.New(now)
		key := driftKey(drift)
		told := known[key]
		if told {
			delete(known, key)
			was := &leadgatev1.Drift{}
			if value, _, err := state.Get(ctx, key); err == nil && proto.Unmarshal(value, was) == nil {
				drift.Since = was.GetSince()
			}
			if proto.Equal(was, drift) {
				continue
			}
		}
		value, err := proto.Marshal(drift)
		if err != nil {
			return fmt.Errorf("keep what does not fit: %w", err)
		}
		if err := state.Put(ctx, key, value, time.Time{}); err != nil {
			return fmt.Errorf("keep what does not fit: %w", err)
		}
		if !told {
			l.tellDrift(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_DRIFT, drift, drift.GetDetail())
		}
	}
	for key := range known {
		drift := &leadgatev1.Drift{}
		if value, _, err := state.Get(ctx, key); err == nil {
			_ = proto.Unmarshal(value, drift) // an unreadable one is deleted as well
		}
		if err := state.Delete(ctx, key); err != nil {
			return fmt.Errorf("forget what fits again: %w", err)
		}
		l.tellDrift(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_DRIFT_OVER, drift,
			fmt.Sprintf("property %s fits again; leadgate replay fills in what leads were delivered without", drift.GetField()))
	}
	return nil
}

// driftKey returns the key of a drift, cut to the maximum length of a key.
func driftKey(d *leadgatev1.Drift) string {
	key := fmt.Sprintf("%s/%d/%s", d.GetDestination(), d.GetType(), d.GetField())
	return key[:min(len(key), 255)]
}

func (l *lane) tellDrift(what leadgatev1.DestinationEventType, d *leadgatev1.Drift, detail string) {
	l.worker.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Destination{Destination: &leadgatev1.DestinationEvent{
		Destination: l.name, Type: what, Detail: detail, Property: d.GetField(), Suggestion: d.GetSuggestion(),
	}}})
}

// ListDrift implements WorkerServiceServer.
func (s *service) ListDrift(ctx context.Context, _ *leadgatev1.ListDriftRequest) (*leadgatev1.ListDriftResponse, error) {
	answer := &leadgatev1.ListDriftResponse{}
	for _, namespace := range []string{formDrift, propertyDrift} {
		state := s.worker.store.State(namespace)
		keys, err := state.Keys(ctx)
		if err != nil {
			return nil, StatusOf(err, "drift")
		}
		for _, key := range keys {
			value, _, err := state.Get(ctx, key)
			if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
				continue
			}
			if err != nil {
				return nil, StatusOf(err, "drift")
			}
			drift := readDrift(namespace, value)
			if drift == nil {
				continue
			}
			if destination := drift.GetDestination(); destination != "" {
				if _, gone := s.worker.lane(destination); gone != nil {
					continue // until it is configured again
				}
			}
			answer.Drifts = append(answer.Drifts, drift)
		}
	}
	slices.SortStableFunc(answer.Drifts, func(a, b *leadgatev1.Drift) int {
		return cmp.Or(cmp.Compare(a.GetDestination(), b.GetDestination()), cmp.Compare(a.GetForm(), b.GetForm()))
	})
	return answer, nil
}

// readDrift returns nil if value is not a drift.
func readDrift(namespace string, value []byte) *leadgatev1.Drift {
	if namespace == propertyDrift {
		drift := &leadgatev1.Drift{}
		if proto.Unmarshal(value, drift) != nil || drift.GetDestination() == "" {
			return nil
		}
		return drift
	}
	event := &leadgatev1.Event{}
	form := event.GetForm()
	if proto.Unmarshal(value, event) == nil {
		form = event.GetForm()
	}
	if form == nil {
		return nil
	}
	return &leadgatev1.Drift{
		Type: leadgatev1.DriftType_DRIFT_TYPE_FIELD_RENAMED, Form: form.GetForm(), Field: form.GetField(), LeadField: form.GetLeadField(),
		Detail: form.GetDetail(), Suggestion: form.GetSuggestion(), Since: event.GetTime(), LeadId: form.GetLeadId(),
	}
}
