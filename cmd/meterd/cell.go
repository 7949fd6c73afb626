package main

import "encoding/json"

// cellOf is any value of JSON in a cell: texts as they are, the rest as JSON.
func cellOf(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
