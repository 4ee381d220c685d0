package salesforce

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The supported versions; older ones are retired (contracts, salesforce.md §1).
const oldestVersion, newestVersion = 31, 67

// route handles a call to a version of the API. The caller holds mu.
func (a *api) route(w http.ResponseWriter, r *http.Request, path []string) {
	version, err := strconv.ParseFloat(strings.TrimPrefix(path[0], "v"), 64)
	if err != nil || version > newestVersion {
		notFound(w)
		return
	}
	if version < oldestVersion {
		fail(w, http.StatusGone, problem{Message: "This API version is retired", Code: "UNSUPPORTED_API_VERSION"})
		return
	}
	c := &call{Request: r, version: version}
	for _, segment := range path[1:] {
		if segment, err := url.PathUnescape(segment); err == nil {
			c.segments = append(c.segments, segment)
		}
	}
	s := append(c.segments, "", "", "", "")[:4]
	n := len(c.segments)
	o := a.objects[s[1]]
	switch is := func(method, first string, length int) bool { return r.Method == method && s[0] == first && n == length }; {
	case is("GET", "", 0) || is("GET", "", 1):
		answer(w, http.StatusOK, map[string]string{"sobjects": r.URL.Path + "sobjects", "limits": r.URL.Path + "limits", "query": r.URL.Path + "query"})
	case is("GET", "limits", 1):
		a.limits(w)
	case is("GET", "query", 1):
		a.query(w, c)
	case is("GET", "sobjects", 1):
		a.describeGlobal(w)
	case s[0] == "sobjects" && n >= 2 && o == nil, s[0] == "composite" && s[1] == "sobjects" && n == 4 && a.objects[s[2]] == nil:
		notFound(w)
	case is("GET", "sobjects", 3) && s[2] == "describe":
		o.describe(w, c)
	case is("POST", "sobjects", 2):
		a.create(w, c, o)
	case is("GET", "sobjects", 3):
		a.get(w, c, o)
	case is("PATCH", "sobjects", 3):
		a.update(w, c, o)
	case is("DELETE", "sobjects", 3):
		a.remove(w, o, s[2])
	case is("GET", "sobjects", 4), is("PATCH", "sobjects", 4):
		if strings.HasSuffix(s[3], ".inc") && strings.EqualFold(s[2], "Email") {
			notFound(w) // taken for a file name (contracts, salesforce.md §2.1)
			return
		}
		a.byKey(w, c, o, s[2], s[3])
	case is("POST", "composite", 2) && s[1] == "sobjects", is("PATCH", "composite", 2) && s[1] == "sobjects":
		a.collection(w, c)
	case is("PATCH", "composite", 4) && s[1] == "sobjects":
		a.upsertCollection(w, c, a.objects[s[2]], s[3])
	default:
		notFound(w)
	}
}

func notFound(w http.ResponseWriter) {
	fail(w, http.StatusNotFound, problem{Message: "The requested resource does not exist", Code: "NOT_FOUND"})
}
