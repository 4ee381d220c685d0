package spelling_test

import (
	"fmt"
	"testing"

	"github.com/leadgate/leadgate/worker/spelling"
)

func ExampleNearest() {
	known := []string{"company", "email", "first_name", "source.utm_source"}
	for _, name := range []string{"companny", "emial", "firstName", "utm_source", "budget"} {
		fmt.Printf("%s: %q\n", name, spelling.Nearest(name, known))
	}
	// Output:
	// companny: "company"
	// emial: "email"
	// firstName: "first_name"
	// utm_source: "source.utm_source"
	// budget: ""
}

func TestNearestPrefersTheClosestThenTheFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		known []string
		want  string
	}{
		"crm":    {[]string{"crm-de", "crms", "crma"}, "crms"},
		"a":      {[]string{"b", "c"}, "b"},
		"":       {[]string{"email"}, ""},
		"orders": {nil, ""},
		"secure": {[]string{"listen"}, ""},
	} {
		if got := spelling.Nearest(name, test.known); got != test.want {
			t.Errorf("%q among %v is %q, want %q", name, test.known, got, test.want)
		}
	}
}
