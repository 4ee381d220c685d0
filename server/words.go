package server

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/text/language"
)

// words translates error messages about fields, and the page for visitors without JavaScript. It reads the same lists that the browser
// client loads. English is in the code.
type words struct {
	matcher language.Matcher
	tags    []string            // in the matcher's order, English first
	lists   []map[string]string // nil for English
}

// newWords reads the lists: lists/de.json and so on.
func newWords(files fs.FS) (*words, error) {
	names, err := fs.Glob(files, "lists/*.json")
	if err != nil {
		return nil, err
	}
	w := &words{tags: []string{"en"}, lists: []map[string]string{nil}}
	tags := []language.Tag{language.English}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var list map[string]string
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		code := strings.TrimSuffix(strings.TrimPrefix(name, "lists/"), ".json")
		tag, err := language.Parse(code)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		w.tags, w.lists, tags = append(w.tags, code), append(w.lists, list), append(tags, tag)
	}
	w.matcher = language.NewMatcher(tags)
	return w, nil
}

// spoken translates to one language. The zero value is English.
type spoken struct {
	tag  string
	list map[string]string
}

// spokenBy returns the language that best matches the header Accept-Language.
func (w *words) spokenBy(accept string) spoken {
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return spoken{tag: "en"}
	}
	_, index, confidence := w.matcher.Match(wanted...)
	if confidence == language.No || w.lists[index] == nil {
		return spoken{tag: "en"}
	}
	return spoken{w.tags[index], w.lists[index]}
}

// say returns the translation of a name; english if there is none.
func (s spoken) say(name, english string) string {
	if word, ok := s.list[name]; ok {
		return word
	}
	return english
}
