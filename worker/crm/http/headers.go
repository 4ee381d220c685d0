package http

import (
	"fmt"
	"net/http"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// dress gives a request its headers, with the present content of the secrets that they refer to, and returns those. What the
// configuration says of a header wins over what leadgate would send.
func (d *destination) dress(req *http.Request) (secrets []string, err error) {
	secret := func(reference string) (string, error) {
		value, err := d.env.Secret(reference)
		if err == nil && value != reference {
			secrets = append(secrets, value)
		}
		return value, err
	}
	if req.Method != http.MethodHead {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	for name, reference := range d.cfg.GetHeaders() {
		value, err := secret(reference)
		if err != nil {
			return nil, fmt.Errorf("http.headers.%s: %w", name, err)
		}
		if strings.EqualFold(name, "Host") { // net/http does not take it from the headers
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	switch auth := d.cfg.GetAuth().GetKind().(type) {
	case *configv1.HTTPAuth_Bearer:
		token, err := secret(auth.Bearer)
		if err != nil {
			return nil, fmt.Errorf("http.auth.bearer: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case *configv1.HTTPAuth_Basic:
		password, err := secret(auth.Basic.GetPassword())
		if err != nil {
			return nil, fmt.Errorf("http.auth.basic.password: %w", err)
		}
		req.SetBasicAuth(auth.Basic.GetUsername(), password)
		_, encoded, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		secrets = append(secrets, encoded)
	case *configv1.HTTPAuth_Header:
		value, err := secret(auth.Header.GetValue())
		if err != nil {
			return nil, fmt.Errorf("http.auth.header.value: %w", err)
		}
		req.Header.Set(auth.Header.GetName(), value)
	}
	return secrets, nil
}
