// Package intake turns what a page's form sends into a lead: it decodes, maps, cleans and normalises.
//
//	fields, err := intake.Decode(contentType, body)  // ErrMediaType, ErrMalformed
//	form, err := intake.NewForm("contact", cfg)      // once per configuration
//	result := form.Lead(submission)                  // the lead, what to store, what is wrong
//	field := result.FieldOf(`custom["budget"]`)      // the page's own name for a field of the lead
//
// client.go has the fields that leadgate's own browser client adds to the visitor's.
//
// Nothing here does I/O, keeps state or looks at a clock. What a lead must look like stands in lead.proto, and whoever calls
// checks it; a form's violations are only those that cannot be seen in the lead any more. What becomes of a value:
//
//	any text      one line, no control characters, single spaces, NFC         text.go
//	message       keeps its lines and spaces                                  text.go
//	email         lower case, the domain in ASCII                             email.go
//	phone         E.164, read by the lead's country, then by default_region   phone.go
//	country       ISO 3166-1 alpha-2, from its name in any language           country.go
//	source.*      cut to the length that lead.proto allows                    target.go
//	custom.NAME   a string, or a list of strings where several values came    target.go
//
// A phone number or country that cannot be read refuses the submission if the form requires it, a phone number also if
// there is no e-mail address. Otherwise the lead does without it, [Result] says so, and the submission keeps it.
package intake
