package observe

const (
	// The most forms or destinations with labels of their own. Nobody configures that many, but anybody can put the name of a form
	// into a URL.
	maxLabels = 200
	// The label shared by all others.
	otherLabel = "other"
)

// labels limits the number of values of a label. The zero value is ready for use. It is not safe for concurrent use.
type labels struct{ known map[string]struct{} }

// of returns the label for a name: the name itself, or otherLabel if there are too many. Empty stays empty.
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
