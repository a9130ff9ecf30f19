/* Starts the app: checks a SPAWN order, clones a child that shares memory until its exec, and tells
 * whether that exec succeeded. */
#ifndef STEWARD_GUARDIAN_SPAWN_H
#define STEWARD_GUARDIAN_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "channel.h"

struct spawn_result {
    pid_t pid;      /* -1 if there was no child; otherwise one to be reaped, also after a failure */
    int pidfd;      /* of the child, or -1 */
    int error;      /* 0 if execve() succeeded, else the errno */
    uint32_t stage; /* with an error: kStewardGuardianStageSetup ... */
};

/* Checks the order and its document and keeps what spawn_start() needs. Returns 0, or the reason of
 * the refusal, and nothing is kept then. The descriptors stay the message's. */
uint32_t spawn_prepare(const struct message* message);

/* Starts what spawn_prepare() accepted and forgets it. Returns when the child has exec'ed or ended;
 * that is the one moment in which the guardian waits for something else than poll(). */
struct spawn_result spawn_start(void);

#endif
