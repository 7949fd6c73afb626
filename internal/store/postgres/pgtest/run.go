package pgtest

// Installed returns the server programs of a major version if the machine has them.
func Installed(version int) (bin Binaries, ok bool) {
	cache, err := cacheDir()
	if err != nil {
		return Binaries{}, false
	}
	return present(version, cache)
}

// Run starts a cluster for a program that is no test, with settings as [Start]
// takes them. stop stops and removes it.
func Run(bin Binaries, settings map[string]string) (c *Cluster, stop func(), err error) {
	l, err := newLab()
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	c, err = l.create(bin, settings)
	l.mu.Unlock()
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return c, func() { c.discard(); l.close() }, nil
}

// PID is the server's process, whose children serve the sessions.
func (c *Cluster) PID() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return 0, errStopped
	}
	return c.server.pid, nil
}
