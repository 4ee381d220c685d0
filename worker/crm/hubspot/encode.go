package hubspot

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

// Encode implements crm.Destination. It returns a JSON object of strings with sorted keys. HubSpot's values are strings whatever
// the type of the property; several values are joined by semicolons.
func (*destination) Encode(properties []mapping.Property) ([]byte, error) {
	object := make(map[string]string, len(properties))
	for _, p := range properties {
		value, err := text(p.Value)
		if err != nil {
			return nil, fmt.Errorf("property %s: %w", p.Name, err)
		}
		object[p.Name] = value
	}
	return crm.Marshal(object)
}

func text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", fmt.Errorf("%v is not a number that can be sent", v)
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			var err error
			if items[i], err = text(item); err != nil {
				return "", err
			}
		}
		return strings.Join(items, ";"), nil
	}
	return "", fmt.Errorf("a %T cannot be sent", value)
}
