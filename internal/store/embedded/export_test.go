package embedded

// SetPart makes changes large from a size on. It is for tests, before the first
// change.
func (s *Store) SetPart(bytes int) { s.part = bytes }
