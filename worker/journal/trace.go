package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// CallSpan is the identifier, in a trace, of one call to a CRM for one lead. It follows from what the call is, so that who makes the
// call can name it to the CRM before whoever makes spans of events hears of it.
func CallSpan(deliveryID string, attempt int32) string {
	hash := sha256.Sum256(fmt.Appendf(nil, "%s#%d", deliveryID, attempt))
	return hex.EncodeToString(hash[:8])
}

// CallTraceParent is the traceparent header of such a call, below the submission whose header is given; empty if that is.
func CallTraceParent(submission, deliveryID string, attempt int32) string {
	parts := strings.Split(submission, "-") // 00-TRACE-SPAN-FLAGS, which the front of the house checked
	if len(parts) != 4 {
		return ""
	}
	parts[2] = CallSpan(deliveryID, attempt)
	return strings.Join(parts, "-")
}
