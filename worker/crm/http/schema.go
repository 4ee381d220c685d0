package http

import (
	"context"

	"github.com/leadgate/leadgate/worker/crm"
)

// Schema implements crm.Destination. There is no way to ask which properties an API accepts.
func (*destination) Schema(context.Context) (*crm.Schema, crm.Outcome) {
	return nil, crm.Outcome{Kind: crm.Delivered}
}
