package metering

import "encoding/hex"

// ID names what the service has made: a record, a registration, an event. It is
// a UUID.
type ID [16]byte

// String is the usual form: 8-4-4-4-12 lower-case hexadecimal digits.
func (id ID) String() string {
	var room [36]byte
	return string(id.AppendText(room[:0]))
}

// AppendText appends the usual form to b.
func (id ID) AppendText(b []byte) []byte {
	text := [36]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	return append(b, text[:]...)
}

// ParseID reads the usual form.
func ParseID(s string) (ID, bool) {
	var id ID
	if len(s) != 36 {
		return ID{}, false
	}
	nibble, n := byte(0), 0
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return ID{}, false
			}
			continue
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return ID{}, false
		}
		if n%2 == 0 {
			nibble = c << 4
		} else {
			id[n/2] = nibble | c
		}
		n++
	}
	return id, true
}
