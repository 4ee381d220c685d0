package main

import (
	"cmp"
	"encoding/json"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
)

// component is a component of a CycloneDX bill of materials.
type component struct {
	Type       string     `json:"type"`
	Reference  string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PackageURL string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// bill returns the bill of materials (CycloneDX 1.6) of everything linked into the binaries, as recorded in them by Go.
func bill(version string, made time.Time, modules []*debug.Module) []byte {
	modules = slices.Clone(modules)
	slices.SortFunc(modules, func(a, b *debug.Module) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	modules = slices.CompactFunc(modules, func(a, b *debug.Module) bool { return a.Path == b.Path && a.Version == b.Version })
	parts := make([]component, len(modules))
	for i, m := range modules {
		for m.Replace != nil {
			m = m.Replace
		}
		parts[i] = golang("library", m.Path, m.Version)
		if m.Sum != "" {
			parts[i].Properties = []property{{"go:sum", m.Sum}}
		}
	}
	document := map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": parts,
		"metadata": map[string]any{"timestamp": made.Format(time.RFC3339), "component": golang("application", "github.com/leadgate/leadgate", version)},
	}
	content, err := json.Marshal(document)
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	// The same contents have the same serial number.
	document["serialNumber"] = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, content).String()
	content, err = json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(content, '\n')
}

func golang(kind, path, version string) component {
	url := "pkg:golang/" + path + "@" + version
	return component{Type: kind, Reference: url, Name: path, Version: version, PackageURL: url}
}
