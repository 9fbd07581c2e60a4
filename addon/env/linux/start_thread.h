// Threads begin with all signals masked: signals are for the process's main thread, and one that is
// delivered to another thread would only interrupt what that thread waits for.
#pragma once

#include <pthread.h>

namespace capsuled::env {

/// As pthread_create(3): an errno value, or 0.
int start_thread(pthread_t& thread, const pthread_attr_t& attributes, void* (*body)(void*),
                 void* argument);
/// The same, of a thread that nobody waits for.
int start_detached_thread(void* (*body)(void*), void* argument);

}  // namespace capsuled::env
