package crmtest

import "encoding/json"

// Records converts the result of a simulator's Contacts method.
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
