// Package awsjson is the AWS JSON 1.1 protocol as a server speaks it: strict
// decoding, encoding by appending, validation errors in the words of AWS's
// front ends, and the error envelope. It knows no service: the shapes, and how
// they are spelled, belong to whoever uses it.
//
// A shape is decoded by ranging over the members of an object and reading each
// by its type. The decoder remembers the first error and from then on yields
// nothing, so that a shape reads as it is written in a service's model:
//
//	func (in *input) decode(d *awsjson.Decoder) {
//		for name := range d.Object() {
//			switch string(name) {
//			case "ProductCode":
//				in.ProductCode = d.String()
//			case "Quantity":
//				in.Quantity = d.Int32()
//			default:
//				d.Skip()
//			}
//		}
//	}
//
// Member names are matched exactly, unknown members are ignored, and a null
// member is an absent one. Names that occur twice in an object, invalid UTF-8,
// lone surrogates, trailing data, numbers of the wrong form and nesting deeper
// than MaxDepth are refused.
//
// Two readers stand behind the decoder: one of its own for what clients send, in
// quick.go, and jsontext from the first thing on that is not plain. Which of them
// has read a value cannot be told from it.
package awsjson
