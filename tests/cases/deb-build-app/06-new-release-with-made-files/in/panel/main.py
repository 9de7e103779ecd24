import tkinter as tk


def run(): pass


def admin(): pass
