package http

import (
	"context"

	"github.com/leadgate/leadgate/worker/crm"
)

// Schema implements crm.Destination: there is no telling what properties an API takes.
func (*destination) Schema(context.Context) (*crm.Schema, crm.Outcome) {
	return nil, crm.Outcome{Kind: crm.Delivered}
}
