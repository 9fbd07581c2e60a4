#include "env/linux/start_thread.h"

#include <signal.h>

#include "base/assert.h"

namespace capsuled::env {

int start_thread(pthread_t& thread, const pthread_attr_t& attributes, void* (*body)(void*),
                 void* argument) {
  // A thread inherits the signal mask of the thread that makes it, so all signals are masked for
  // that moment.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ASSERT(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  const int errnum = ::pthread_create(&thread, &attributes, body, argument);
  ASSERT(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  return errnum;
}

int start_detached_thread(void* (*body)(void*), void* argument) {
  pthread_attr_t attributes;
  ASSERT(::pthread_attr_init(&attributes) == 0);
  ASSERT(::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
  pthread_t thread{};
  const int errnum = start_thread(thread, attributes, body, argument);
  ::pthread_attr_destroy(&attributes);
  return errnum;
}

}  // namespace capsuled::env
