package crmtest

import "encoding/json"

// Records reads what a simulator holds, in the form that its page of contacts has.
func Records[R any](contacts any) []R {
	encoded, err := json.Marshal(contacts)
	if err != nil {
		panic(err)
	}
	var records []R
	if err := json.Unmarshal(encoded, &records); err != nil {
		panic(err)
	}
	return records
}
