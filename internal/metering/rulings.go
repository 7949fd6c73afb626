package metering

// Rulings are the points on which AWS contradicts itself and an operator may
// choose the other reading. The zero value is the reading this service takes
// by default.
type Rulings struct {
	// RepeatIsDuplicate answers DuplicateRecord, not Success, to a record that
	// is already held by an equal one (R-1: AWS's agent toolkit against its API
	// reference).
	RepeatIsDuplicate bool
	// MonthEndExtends lets the six hours of grace after a month's end reach back
	// over the whole of that month, not only over the last 24 hours.
	MonthEndExtends bool
	// FinalHourAfterEnded opens the final reporting hour when an agreement has
	// ended, not when its winding down begins (R-24: the toolkit's reading).
	FinalHourAfterEnded bool
	// KeyAsResource lets a caller without a workload call MeterUsage: its access
	// key id stands for the resource (R-17, for development).
	KeyAsResource bool
}
