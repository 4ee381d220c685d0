package crmtest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/leadgate/leadgate/worker/crm"
)

func runSchema(t *testing.T, h Harness) {
	if !h.Schema {
		t.Run("ASchemaThatCannotBeReadCostsNoCall", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, h)
			if schema, outcome := b.destination.Schema(t.Context()); schema != nil || outcome.Kind != crm.Delivered || b.seen.Load() != 0 {
				t.Errorf("schema %v, outcome %+v, %d calls", schema, outcome, b.seen.Load())
			}
		})
		return
	}
	t.Run("TheMappedPropertiesAreInTheSchema", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		schema, outcome := b.destination.Schema(t.Context())
		if schema == nil || outcome.Kind != crm.Delivered {
			t.Fatalf("ended as %+v", outcome)
		}
		for name := range h.Mapped {
			if p := schema.Property(name); p == nil || p.ReadOnly || p.Label == "" || p.Native == "" {
				t.Errorf("%s is %+v", name, p)
			}
		}
		for _, p := range schema.Properties {
			if p.Name == "" || p.MaxLength < 0 || len(p.Options) > 0 && p.Type != crm.Enumeration && p.Type != crm.Enumerations {
				t.Errorf("a property is %+v", p)
			}
		}
		if n := b.crm.Records(); n != 0 {
			t.Errorf("%d records", n)
		}
	})
	t.Run("WhatIsNotASchemaIsNone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for code, want := range map[int][]crm.OutcomeKind{
			http.StatusOK:                  {crm.Unknown, crm.Retry},
			http.StatusFound:               {crm.Refused, crm.Retry},
			http.StatusUnauthorized:        {crm.CredentialsRefused},
			http.StatusTooManyRequests:     {crm.RateLimited},
			http.StatusInternalServerError: {crm.Unknown, crm.Retry},
		} {
			b.answers(status(code, `<html>`))
			schema, outcome := b.destination.Schema(t.Context())
			b.expectSane(outcome)
			if schema != nil || !slices.Contains(want, outcome.Kind) {
				t.Errorf("after %d: schema %v, ended as %s: %+v", code, schema, kindName(outcome.Kind), outcome)
			}
		}
	})
}
