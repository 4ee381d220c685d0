package observe

const (
	// How many forms or destinations are told apart in the metrics. Far more than anybody configures; it is there because
	// anybody can write the name of a form into a URL.
	maxLabels = 200
	// The label of all others.
	otherLabel = "other"
)

// labels bounds the values of a label. The zero value is ready for use, by one goroutine.
type labels struct{ known map[string]struct{} }

// of is the label for a name: the name itself, or otherLabel when there are too many. Empty stays empty.
func (l *labels) of(name string) string {
	if name == "" {
		return ""
	}
	if _, ok := l.known[name]; ok {
		return name
	}
	if len(l.known) >= maxLabels {
		return otherLabel
	}
	if l.known == nil {
		l.known = map[string]struct{}{}
	}
	l.known[name] = struct{}{}
	return name
}
