package intake

import (
	_ "embed" // for the dictionary
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed dictionary.yaml
var dictionaryText []byte

// plumbing is the meaning of fields that are not part of a lead.
const plumbing = "nothing"

// dictionary maps the names of form fields to meanings. It is immutable and safe for concurrent use.
type dictionary struct {
	meanings map[string]string   // by folded name: a lead field, or plumbing
	around   map[string]struct{} // words without a meaning of their own
	paths    []string            // the lead fields, sorted
}

// knownNames is the embedded dictionary, parsed once. It panics on a fault in it, which the tests would find.
var knownNames = sync.OnceValue(func() *dictionary {
	d, err := readDictionary(dictionaryText)
	if err != nil {
		panic(err)
	}
	return d
})

func readDictionary(text []byte) (*dictionary, error) {
	var entries map[string]yaml.Node
	if err := yaml.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("dictionary: %w", err)
	}
	d := &dictionary{meanings: map[string]string{}, around: map[string]struct{}{}}
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		entry := entries[path]
		if path == "around" {
			for word := range strings.SplitSeq(entry.Value, ",") {
				d.around[fold(word)] = struct{}{}
			}
			continue
		}
		var languages map[string]string
		if err := entry.Decode(&languages); err != nil {
			return nil, fmt.Errorf("dictionary: %s: %w", path, err)
		}
		if path != plumbing && !isBesideStreet(path) {
			d.paths = append(d.paths, path)
		}
		for _, names := range languages {
			for name := range strings.SplitSeq(names, ",") {
				key := fold(name)
				if other, ok := d.meanings[key]; ok && other != path {
					return nil, fmt.Errorf("dictionary: %q stands under %s and %s", strings.TrimSpace(name), other, path)
				}
				d.meanings[key] = path
			}
		}
	}
	return d, nil
}

// meaning returns the lead field that a name means, plumbing, or "" if unknown.
func (d *dictionary) meaning(name string) string {
	var space [64]byte
	if key, ok := appendFolded(space[:0], name); ok {
		if path, ok := d.meanings[string(key)]; ok {
			return path
		}
	}
	all := words(name)
	if number, ok := strings.CutPrefix(name, "state_"); ok && strings.Trim(number, "0123456789") == "" {
		return plumbing // a Gravity Forms field
	}
	if isAside(name) {
		return plumbing
	}
	if n := len(all); n > 1 && all[n-2] == "text" && strings.Trim(all[n-1], "0123456789") == "" {
		return "" // one of many text fields, in TYPO3, Contact Form 7 and Forminator
	}
	if path := d.within(all); path != "" {
		return path
	}
	// customer[address][city] is about a city.
	if at := strings.LastIndexAny(strings.TrimRight(name, "]"), "[./|"); at >= 0 && !isVague(fold(name[at+1:])) {
		return d.within(words(name[at+1:]))
	}
	return ""
}

// isAside reports whether a field is what Elementor's webhook sends besides a value, such as fields[email][required], or the state
// that frameworks keep in a page, such as __VIEWSTATE and form[__state].
func isAside(name string) bool {
	if strings.HasPrefix(name[1+strings.LastIndexByte(name, '['):], "__") {
		return true
	}
	if strings.HasPrefix(name, "meta[") || strings.HasPrefix(name, "meta.") {
		return strings.HasSuffix(name, "[title]") || strings.HasSuffix(name, ".title")
	}
	if !strings.HasPrefix(name, "fields[") {
		return false
	}
	for _, part := range [...]string{"[id]", "[type]", "[required]", "[raw_value]"} {
		if strings.HasSuffix(name, "]"+part) {
			return true
		}
	}
	return false
}

// isVague reports whether the last part of a name means something only together with what precedes it.
func isVague(part string) bool {
	switch part {
	case "text", "value", "name", "title", "type", "url", "body", "description", "id", "date", "page", "function":
		return true
	}
	return false
}

// How many words of a name are considered: some pages send whole questions.
const maxWords = 12

// within returns the meaning of words, dropping those without a meaning from both ends step by step.
func (d *dictionary) within(words []string) string {
	words = words[:min(len(words), maxWords)]
	start, end := 0, len(words)
	for {
		if path := d.joined(words[start:end]); path != "" {
			return path
		}
		if end > start && d.saysNothing(words[end-1]) {
			end--
			continue
		}
		if start >= end || !d.saysNothing(words[start]) {
			return ""
		}
		start, end = start+1, len(words)
	}
}

func (d *dictionary) joined(words []string) string {
	var space [128]byte
	key := space[:0]
	for _, word := range words {
		if folded, ok := appendFolded(key, word); ok {
			key = folded
		} else {
			key = append(key, fold(word)...)
		}
	}
	return d.meanings[string(key)]
}

// saysNothing reports whether a word has no meaning in a name: a number, or one that the dictionary lists.
func (d *dictionary) saysNothing(word string) bool {
	if trimmed := strings.TrimRight(word, "0123456789"); trimmed != word {
		if word = trimmed; word == "" {
			return true
		}
	}
	_, ok := d.around[fold(word)]
	return ok
}

// isNameless reports whether a field's name has no meaning at all, such as input_3 or item_meta[12].
func (d *dictionary) isNameless(name string) bool {
	return !slices.ContainsFunc(words(name), func(word string) bool { return !d.saysNothing(word) && !isIdentifier(word) })
}

// core returns what distinguishes a name: its words, without those that have no meaning or are common in names. It is empty if none
// remains.
func (d *dictionary) core(name string) string {
	var kept []string
	for _, word := range words(name) {
		if !d.saysNothing(word) && !isCommonplace(word) {
			kept = append(kept, fold(word))
		}
	}
	return strings.Join(kept, "")
}

func isCommonplace(word string) bool {
	switch word {
	case "name", "address", "number", "nr", "no", "new", "full", "main", "primary", "old", "info":
		return true
	}
	return false
}

// isIdentifier reports whether a word is machine-generated: it has digits among letters, such as 5f3a9c.
func isIdentifier(word string) bool {
	return len(word) >= 4 && strings.ContainsAny(word, "0123456789")
}

// appendFolded appends what fold returns for ASCII text. It reports false for other text and if to has not enough capacity.
func appendFolded(to []byte, text string) ([]byte, bool) {
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			return to, false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			continue
		}
		if len(to) == cap(to) {
			return to, false
		}
		to = append(to, c)
	}
	return to, true
}

// words splits the name of a field into lower-case words: card_number, card-number, cardNumber, payment[card].
func words(name string) []string {
	var out []string
	start, lower := 0, false
	end := func(i int) {
		if i > start {
			out = append(out, strings.ToLower(name[start:i]))
		}
	}
	for i, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			end(i)
			start = i + utf8.RuneLen(r)
		case unicode.IsUpper(r) && lower:
			end(i)
			start = i
		}
		lower = unicode.IsLower(r)
	}
	end(len(name))
	return out
}
