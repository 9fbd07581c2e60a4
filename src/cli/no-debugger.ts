/**
 * Imported first, for what it does: Node opens its debugger on SIGUSR1, on a port that everyone on
 * the machine may use, unless somebody listens to that signal. (`--disable-sigusr1` would do it
 * too, from Node 22.14 on, where a program is started with it.)
 */

process.on('SIGUSR1', () => undefined);
