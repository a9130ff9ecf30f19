/* The processes of the current generation: the app (the leader) and every descendant that has
 * become a child of the guardian because its own parent died.
 *
 * No process number is ever kept beyond the reaping of its process: signals go to the leader's
 * group while the leader is unreaped, and to children that the kernel has just listed and that only
 * this process, with its one thread, can reap.
 *
 * A generation lives from tree_begin() until EMPTY has been sent. Reports that cannot be sent yet
 * are kept and retried by tree_work().
 */
#ifndef STEWARD_GUARDIAN_TREE_H
#define STEWARD_GUARDIAN_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "spawn.h"

/* Opens the kernel's list of this process's children. False with errno when there is none. */
bool tree_open(void);

/* True from tree_begin() until EMPTY has been sent. */
bool tree_is_live(void);

/* The number of the last generation begun, 0 before the first. */
uint64_t tree_generation(void);

/* A generation begins; nothing runs yet. */
void tree_begin(uint64_t generation, uint64_t seq);

/* What spawn_start() gave. Takes over its pidfd. */
void tree_started(const struct spawn_result* result);

/* SIGTERM and SIGCONT to the app's process group, or to each child once the leader has been reaped.
 */
void tree_terminate(void);

/* From now on every tree_work() sends SIGKILL to everything, until the tree is empty. */
void tree_kill(void);

/* Nobody can be told anything any more: kill, and reap without reports. */
void tree_abandon(void);

/* Sends what is to be reported, kills if asked to, reaps a bounded number of dead children. Never
 * blocks. Returns after how many milliseconds it must be called again at the latest, -1 = not
 * before a child dies or a report can be sent. */
int tree_work(void);

/* True if the last tree_work() found that no child is left and there is nothing to be reported. */
bool tree_is_done(void);

#endif
