package awsapi

import (
	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
)

// Limits of the service's model (August 2026) that are constraints of shape:
// breaking one is a ValidationException. Those of tags and allocations that have
// exceptions of their own are metering's.
const (
	maxRecords     = 25
	maxProductCode = 255
	maxCustomer    = 255
	maxDimension   = 255
	maxClientToken = 64
	maxNonce       = 255
)

// checkProductCode checks a ProductCode; one that may be absent is, if it is.
func checkProductCode(v *awsjson.Violations, code awsjson.Opt[string], required bool) {
	at := (*awsjson.Path)(nil).Member("productCode")
	switch {
	case !code.Set && required:
		v.Null(at)
	case code.Set:
		v.Length(at, code.Value, 0, maxProductCode)
		if !metering.IsProductCode(code.Value) {
			v.Pattern(at, code.Value, metering.ProductCodePattern)
		}
	}
}

// checkDimension checks a required dimension.
func checkDimension(v *awsjson.Violations, at awsjson.Path, dimension awsjson.Opt[string]) {
	if !dimension.Set {
		v.Null(at)
		return
	}
	v.Length(at, dimension.Value, 1, maxDimension)
	v.NoNUL(at, dimension.Value)
}

// usageAllocation and tag are shapes of both metering operations.
type usageAllocation struct {
	null     bool
	quantity awsjson.Opt[int32]
	tags     awsjson.Opt[[]tag]
}

type tag struct {
	null       bool
	key, value awsjson.Opt[string]
}

func decodeAllocations(d *awsjson.Decoder) awsjson.Opt[[]usageAllocation] {
	var all awsjson.Opt[[]usageAllocation]
	if d.Null() {
		return all
	}
	all.Set = true
	for range d.List() {
		var a usageAllocation
		a.null = d.Null()
		if !a.null {
			for name := range d.Object() {
				switch string(name) {
				case "AllocatedUsageQuantity":
					a.quantity = d.Int32()
				case "Tags":
					a.tags = decodeTags(d)
				default:
					d.Skip()
				}
			}
		}
		all.Value = append(all.Value, a)
	}
	return all
}

func decodeTags(d *awsjson.Decoder) awsjson.Opt[[]tag] {
	var all awsjson.Opt[[]tag]
	if d.Null() {
		return all
	}
	all.Set = true
	for range d.List() {
		var t tag
		t.null = d.Null()
		if !t.null {
			for name := range d.Object() {
				switch string(name) {
				case "Key":
					t.key = d.String()
				case "Value":
					t.value = d.String()
				default:
					d.Skip()
				}
			}
		}
		all.Value = append(all.Value, t)
	}
	return all
}

// checkAllocations checks the shape of allocations, of the structure at up.
// Counts from above, alphabets and lengths of tags are rules with exceptions of
// their own.
func checkAllocations(v *awsjson.Violations, up *awsjson.Path, allocations awsjson.Opt[[]usageAllocation]) {
	if !allocations.Set {
		return
	}
	v.Size(up.Member("usageAllocations"), len(allocations.Value), 1, 0)
	for i := range allocations.Value {
		a := &allocations.Value[i]
		at := up.Element("usageAllocations", i)
		if a.null {
			v.Null(at)
			continue
		}
		if a.quantity.Set {
			v.AtLeast(at.Member("allocatedUsageQuantity"), a.quantity.Value, 0)
		} else {
			v.Null(at.Member("allocatedUsageQuantity"))
		}
		if !a.tags.Set {
			continue
		}
		v.Size(at.Member("tags"), len(a.tags.Value), 1, 0)
		for j := range a.tags.Value {
			t := &a.tags.Value[j]
			tagAt := at.Element("tags", j)
			if t.null {
				v.Null(tagAt)
				continue
			}
			checkTagText(v, tagAt.Member("key"), t.key)
			checkTagText(v, tagAt.Member("value"), t.value)
		}
	}
}

func checkTagText(v *awsjson.Violations, at awsjson.Path, text awsjson.Opt[string]) {
	if !text.Set {
		v.Null(at)
		return
	}
	v.Length(at, text.Value, 1, 0)
	v.NoNUL(at, text.Value)
}

// allocationsOf is what a checked shape says.
func allocationsOf(shapes []usageAllocation) []metering.Allocation {
	if len(shapes) == 0 {
		return nil
	}
	var tags int
	for i := range shapes {
		tags += len(shapes[i].tags.Value)
	}
	all := make([]metering.Allocation, len(shapes))
	room := make([]metering.Tag, 0, tags)
	for i := range shapes {
		all[i].Quantity = shapes[i].quantity.Value
		from := len(room)
		for _, t := range shapes[i].tags.Value {
			room = append(room, metering.Tag{Key: t.key.Value, Value: t.value.Value})
		}
		all[i].Tags = room[from:len(room):len(room)]
	}
	return all
}

// appendAllocations writes allocations as they came.
func appendAllocations(b []byte, shapes []usageAllocation) []byte {
	b = append(awsjson.AppendName(b, "UsageAllocations"), '[')
	for i := range shapes {
		if i > 0 {
			b = append(b, ',')
		}
		b = awsjson.AppendInt(append(b, '{'), "AllocatedUsageQuantity", int64(shapes[i].quantity.Value))
		if shapes[i].tags.Set {
			b = append(awsjson.AppendName(b, "Tags"), '[')
			for j, t := range shapes[i].tags.Value {
				if j > 0 {
					b = append(b, ',')
				}
				b = awsjson.AppendMember(append(b, '{'), "Key", t.key.Value)
				b = append(awsjson.AppendMember(b, "Value", t.value.Value), '}')
			}
			b = append(b, ']')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
