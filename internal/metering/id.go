package metering

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
	const digits = "0123456789abcdef"
	for i, octet := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[octet>>4], digits[octet&15])
	}
	return b
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
