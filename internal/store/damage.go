package store

// DamageError is an error of a list that has met what is damaged. Nothing of it is
// shown.
type DamageError struct {
	Err error
	// Next is the cursor of what comes after the damage, for those who want to know
	// what else there is; "": nothing does.
	Next string
}

func (e *DamageError) Error() string { return e.Err.Error() }

// Unwrap is the error that says what is damaged.
func (e *DamageError) Unwrap() error { return e.Err }
