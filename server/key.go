package server

import (
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/worker"
)

// maxKeyLength is the longest idempotency key, in bytes.
const maxKeyLength = 255

// headerKey is the idempotency key from the header or metadata.
type headerKey struct {
	value string // empty if it cannot be used
	// complaint says why it cannot be used; empty if it can, or if there is none.
	complaint string
	given     bool
}

// readKey reads the values of the header Idempotency-Key. A key may be plain, or the quoted string of a structured field (RFC 8941), as
// in draft-ietf-httpapi-idempotency-key-header.
func readKey(values []string) headerKey {
	if len(values) == 0 {
		return headerKey{}
	}
	if len(values) > 1 {
		return headerKey{given: true, complaint: "was sent more than once"}
	}
	value, complaint := strings.TrimSpace(values[0]), ""
	if strings.HasPrefix(value, `"`) {
		value, complaint = unquote(value)
	}
	if complaint == "" {
		complaint = checkKey(value)
	}
	if complaint != "" {
		return headerKey{given: true, complaint: complaint}
	}
	return headerKey{given: true, value: value}
}

// unquote reads the string of a structured field, in which a backslash may only precede a quote or another backslash.
func unquote(quoted string) (value, complaint string) {
	var b strings.Builder
	for i := 1; i < len(quoted); i++ {
		switch c := quoted[i]; c {
		case '"':
			if i != len(quoted)-1 {
				return "", "has something after its closing quote"
			}
			return b.String(), ""
		case '\\':
			i++
			if i == len(quoted) || (quoted[i] != '"' && quoted[i] != '\\') {
				return "", `has a \ that stands before neither a quote nor another \`
			}
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "has no closing quote"
}

// checkKey returns what is wrong with a key; empty if nothing is.
func checkKey(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > maxKeyLength:
		return "is longer than 255 characters"
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return "has characters other than printable ASCII"
		}
	}
	return ""
}

// agreedKey returns the key of a submission, which may come in the header and in fields. All that are given must be the same.
func agreedKey(header headerKey, fields ...string) (string, error) {
	if header.complaint != "" {
		return "", keyFailure("the idempotency key " + header.complaint + "; send 1 to 255 printable ASCII characters")
	}
	key := header.value
	for _, field := range fields {
		switch {
		case field == "" || field == key:
		case key != "":
			return "", keyFailure("header or metadata and the field idempotency_key carry different keys; send one, or the same")
		default:
			if complaint := checkKey(field); complaint != "" {
				return "", keyFailure("the field idempotency_key " + complaint + "; send 1 to 255 printable ASCII characters")
			}
			key = field
		}
	}
	return key, nil
}

func keyFailure(message string) error {
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "IDEMPOTENCY_KEY_INVALID"}, message,
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "idempotency_key", Reason: "idempotency_key", Description: message},
		}})
}
